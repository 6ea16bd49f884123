"""Label pictures by number: the files of a folder, or the frames of a video. One is in memory at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    Footage,
    LabelFilesError,
    MissingFileError,
    VideoReader,
    check_count,
    label_files,
    read_labels,
)

Picture = NDArray[Any]
EXACT = (".png", ".tif", ".tiff", ".bmp")
SOFT = (".jpg", ".jpeg", ".webp")
SUFFIXES = (*EXACT, *SOFT)
LOSSLESS = ("ffv1", "png", "apng", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "rawvideo", "qtrle", "tiff", "bmp")
"""Names of codecs that give every number back."""


class LabelPictures:
    """Pictures as they are stored: (h, w) uint8 or uint16, or RGB (h, w, 3) uint8.

    Raises: MissingFileError, LabelFilesError (an empty or damaged folder), what `VideoReader` raises for a bad video.
    """

    def __init__(self, path: Path, option: str) -> None:
        """`option` is what named the path, for people."""
        self.path, self.option = path.expanduser(), option
        self._files: list[Path] = []
        self._video: VideoReader | None = None
        self._frames: Generator[Picture, None, None] | None = None
        self._next = 0
        if self.path.is_dir():
            self._files = label_files(self.path, SUFFIXES)
        elif not self.path.exists():
            raise MissingFileError(f"{self.path} does not exist.", f"--option {option}=FOLDER")
        elif self.path.suffix.lower() in SUFFIXES:
            self._files = [self.path]
        else:
            self._video = VideoReader(self.path)
        self.count: int = len(self._files) if self._video is None else self._video.expected or 0

    @property
    def exact(self) -> bool:
        """Whether numbers come back as they were written: not through JPEG, H.264 or YUV."""
        if self._video is None:
            return self._files[0].suffix.lower() in EXACT
        return self._video.probe.codec in LOSSLESS and self._video.probe.colour in ("grey", "rgb")

    @property
    def stored_as(self) -> str:
        """For people: `JPEG`, `h264 (bt709)`."""
        if self._video is None:
            return self._files[0].suffix[1:].upper()
        return f"{self._video.probe.codec} video ({self._video.probe.colour})"

    def name(self, number: int) -> str:
        """The file, or the frame of the video, for people."""
        return str(self._files[number]) if self._video is None else f"{self.path}, frame {number}"

    def read(self, number: int) -> Picture:
        """The picture of that number, from 0; of a video quickest in ascending order. Raises FilesMismatchError."""
        check_count(self.count, None, self.path, self.option, number)
        if self._video is None:
            return read_labels(self._files[number])
        if self._frames is None or number < self._next:
            self._begin(number)
        for picture in self._frames or ():
            self._next += 1
            if self._next > number:
                return picture
        raise LabelFilesError(f"{self.path} has no frame {number}, though it says so.", "Make this video again.")

    def looks(self, most: int) -> Iterator[tuple[str, Picture]]:
        """Some pictures, evenly spread, with their names."""
        numbers = np.linspace(0, self.count - 1, min(most, self.count)).round().astype(int)
        for number in numbers.tolist():
            yield self.name(number), self.read(number)

    def check(self, footage: Footage | None) -> None:
        """Raise FilesMismatchError where there is not one picture for each frame of the video."""
        check_count(self.count, footage, self.path, self.option)

    def close(self) -> None:
        """Let go of the video."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def _begin(self, number: int) -> None:
        """Read on from a frame of the video; what lies before is skipped by its index."""
        self.close()
        assert self._video is not None
        video = VideoReader(self.path, start=float(number / self._video.fps), stored=True)
        self._frames, self._next = _all(video), number


def _all(video: VideoReader) -> Generator[Picture, None, None]:
    frames = iter(video)
    with closing(frames):  # type: ignore[type-var]
        yield from frames


def holds_pictures(path: Path) -> bool:
    """Whether there is anything to look at: a file, or a folder with a picture right inside it."""
    if not path.is_dir():
        return path.is_file()
    return any(entry.suffix.lower() in SUFFIXES and entry.name[0] != "." for entry in path.iterdir())
