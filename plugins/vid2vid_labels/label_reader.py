"""Label images by index, from the files of a folder or the frames of a video; one is in memory at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import (
    FramePairing,
    LabelFileError,
    LabelImage,
    MissingFileError,
    VideoContext,
    VideoReader,
    expand_home,
    list_label_files,
    load_label_image,
    pair_with_frames,
)
from vid2vid_labels.label_values import PaletteRecord

MAX_SAMPLED_IMAGES = 16
"""Number of images that are read before the others, for `auto` options and for palettes."""
LOSSLESS_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
LOSSY_SUFFIXES = (".jpg", ".jpeg", ".webp")
IMAGE_SUFFIXES = (*LOSSLESS_SUFFIXES, *LOSSY_SUFFIXES)
LOSSLESS_CODECS = (
    "ffv1",
    "png",
    "apng",
    "huffyuv",
    "ffvhuff",
    "utvideo",
    "magicyuv",
    "rawvideo",
    "qtrle",
    "tiff",
    "bmp",
)
"""Names of lossless codecs."""


class LabelReader:
    """Reads stored images: ids, indices with their palette, or RGB.

    Raises: MissingFileError, LabelFileError (no readable images), and the errors of `VideoReader`.
    """

    def __init__(self, path: Path, option_name: str) -> None:
        """`option_name` is the option that sets `path`, for errors."""
        self.path, self.option_name = expand_home(path), option_name
        self._files: list[Path] = []
        self._video_reader: VideoReader | None = None
        self._frame_iterator: Generator[LabelImage, None, None] | None = None
        self._next_index = 0
        if self.path.is_dir():
            self._files = list_label_files(self.path, IMAGE_SUFFIXES)
        elif not self.path.exists():
            raise MissingFileError(f"{self.path} does not exist.", f"--conditioner-option {option_name}=FOLDER")
        else:
            video_reader = VideoReader(self.path)
            if video_reader.probe.kind == "image":
                self._files = [self.path]
            else:
                self._video_reader = video_reader
        self.num_images: int = len(self._files) if self._video_reader is None else self._video_reader.num_frames or 0

    @property
    def is_exact(self) -> bool:
        """Whether the stored values are exact, i.e. not JPEG, H.264 or YUV."""
        if self._video_reader is None:
            return all(file.suffix.lower() in LOSSLESS_SUFFIXES for file in self._files)
        probe = self._video_reader.probe
        return probe.codec in LOSSLESS_CODECS and probe.colour_space in ("grey", "rgb")

    @property
    def storage_description(self) -> str:
        """Readable storage format: `JPEG`, `h264 video (bt709)`."""
        if self._video_reader is None:
            return " and ".join(sorted({file.suffix[1:].upper() for file in self._files}))
        return f"{self._video_reader.probe.codec} video ({self._video_reader.probe.colour_space})"

    def image_name(self, index: int) -> str:
        """Return the file name or video frame of an image, for errors."""
        return str(self._files[index]) if self._video_reader is None else f"{self.path}, frame {index}"

    def read(self, index: int) -> LabelImage:
        """Return an image by index, from 0; videos are fastest in ascending order. Raises: LabelFileError."""
        if self._video_reader is None:
            return load_label_image(self._files[index])
        if self._frame_iterator is None or index < self._next_index:
            self._seek(index)
        for image in self._frame_iterator or ():
            self._next_index += 1
            if self._next_index > index:
                return image
        raise LabelFileError(
            f"{self.path} ends before frame {index}, although its header has more frames.", "Create the video again."
        )

    def sample_images(self, max_images: int) -> Iterator[tuple[str, LabelImage]]:
        """Yield evenly spaced images with their names."""
        indices = np.linspace(0, self.num_images - 1, min(max_images, self.num_images)).round().astype(int)
        for index in indices.tolist():
            yield self.image_name(index), self.read(index)

    def check_palettes(self, palette_record: PaletteRecord) -> None:
        """Add a sample of the files to the record. Raises: LabelFileError (their palettes differ)."""
        if self._files:  # videos have no palettes
            for name, image in self.sample_images(MAX_SAMPLED_IMAGES):
                palette_record.check(image, name)

    def pair_with_frames(self, video_context: VideoContext | None) -> FramePairing:
        """Return the index of the image of each frame of the video. Raises: InputFileMismatchError."""
        files = self._files or self.num_images
        return pair_with_frames(self.path, files, video_context, option_name=self.option_name)

    def close(self) -> None:
        """Close the video."""
        if self._frame_iterator is not None:
            self._frame_iterator.close()
            self._frame_iterator = None

    def _seek(self, index: int) -> None:
        """Continue at a frame of the video; the frames before it are skipped with the video's index."""
        self.close()
        assert self._video_reader is not None
        reader = VideoReader(self.path, start=float(index / self._video_reader.fps), raw_grey=True)
        self._frame_iterator, self._next_index = _iterate_frames(reader), index


def _iterate_frames(reader: VideoReader) -> Generator[LabelImage, None, None]:
    frames = iter(reader)
    with closing(frames):  # type: ignore[type-var]
        yield from map(LabelImage, frames)


def contains_images(path: Path) -> bool:
    """Return whether `path` is a file, or a folder that directly contains an image."""
    if not path.is_dir():
        return path.is_file()
    return any(entry.suffix.lower() in IMAGE_SUFFIXES and entry.name[0] != "." for entry in path.iterdir())
