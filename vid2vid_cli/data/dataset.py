"""A prepared dataset, opened: frames and annotations by clip and index. Numpy only, nothing of any plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.core.errors import DatasetError, MissingFileError, NotAVideoError, Vid2VidError
from vid2vid_cli.data.annotations import REMEDY, AnnotationFolder, AnnotationSequence
from vid2vid_cli.data.manifest import FILE_NAME, Manifest, read_manifest
from vid2vid_cli.media.images import load_picture

Split = Literal["train", "holdout", "all"]
UNFINISHED = ".partial"


class Span(NamedTuple):
    """Consecutive frames of a clip: first to last - 1, counted from the clip's own beginning."""

    clip: int
    first: int
    last: int

    @property
    def frames(self) -> int:
        """How many."""
        return self.last - self.first


class Dataset:
    """An opened dataset folder. Safe to read from several threads.

    Raises: MissingFileError (no such folder), DatasetError (not a dataset, damaged, of a newer version).
    """

    def __init__(self, folder: Path, manifest: Manifest | None = None) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder) if manifest is None else manifest
        self._opened: dict[tuple[str, str], AnnotationFolder] = {}
        self._stored: dict[str, int] = {}
        """Folder -> how many frames lie in it."""
        for clip in self.manifest.clips:
            if not (folder / "clips" / clip.name / "frames").is_dir():
                missing = folder / "clips" / clip.name / "frames"
                raise DatasetError(f"The dataset is damaged: {missing} is missing.", REMEDY)
            self._stored[clip.name] = max(self._stored.get(clip.name, 0), clip.first + clip.frames)

    @property
    def height(self) -> int:
        """Of the stored frames, in pixels."""
        return self.manifest.height

    @property
    def width(self) -> int:
        """Of the stored frames, in pixels."""
        return self.manifest.width

    @property
    def fps(self) -> Fraction:
        """Frames per second, exactly."""
        return self.manifest.rate

    def clips(self, split: Split = "all") -> list[Span]:
        """The stretches of consecutive frames of a split; a part of the clips may have none in it."""
        if split == "all":
            return [Span(index, 0, clip.frames) for index, clip in enumerate(self.manifest.clips)]
        chosen = self.manifest.splits.train if split == "train" else self.manifest.splits.holdout
        return [Span(*span) for span in chosen]

    def number(self, clip: int, index: int) -> int:
        """The number under which a frame of a clip is stored in its folder. Raises IndexError."""
        entry = self.manifest.clips[clip]
        if not 0 <= index < entry.frames:
            raise IndexError(f"clip {clip} has no frame {index}")
        return entry.first + index

    def frame_path(self, clip: int, index: int) -> Path:
        """Where a frame is stored. Raises IndexError."""
        name = self.manifest.clips[clip].name
        return frame_path(self.folder, name, self.number(clip, index), self.manifest.frame_format)

    def frame(self, clip: int, index: int) -> NDArray[np.uint8]:
        """A frame, (h, w, 3) uint8 RGB. Raises DatasetError (missing, damaged, of another size), IndexError."""
        path = self.frame_path(clip, index)
        try:
            frame = load_picture(path)
        except MissingFileError as error:
            raise DatasetError(f"The dataset is damaged: {path} is missing.", REMEDY) from error
        except NotAVideoError as error:
            raise DatasetError(f"The dataset is damaged: {path} cannot be read.", REMEDY) from error
        if frame.shape[:2] != (self.height, self.width):
            raise DatasetError(
                f"The dataset is damaged: {path} is {frame.shape[1]}x{frame.shape[0]} and not "
                f"{self.width}x{self.height}.",
                REMEDY,
            )
        return frame

    def annotation(self, clip: int, index: int, conditioner: str) -> Annotation:
        """What a conditioner found on a frame. Raises DatasetError (no such conditioner, damaged), IndexError."""
        return self._folder(clip, conditioner).read(self.number(clip, index))

    def quality(self, clip: int, conditioner: str) -> NDArray[np.float32]:
        """(t,) float32 over the clip, 0 where nothing was found."""
        entry = self.manifest.clips[clip]
        return self._folder(clip, conditioner).quality[entry.first : entry.first + entry.frames]

    def annotations(self, spans: Iterable[Span], conditioner: str) -> AnnotationSequence:
        """What a conditioner found on these stretches, one after the other, read on demand."""
        items = [
            (self._folder(clip, conditioner), self.number(clip, index)) for clip, a, b in spans for index in range(a, b)
        ]
        return AnnotationSequence(items)

    def _folder(self, clip: int, conditioner: str) -> AnnotationFolder:
        name = self.manifest.clips[clip].name
        if (name, conditioner) not in self._opened:
            record = self.manifest.conditioner(conditioner)
            folder = self.folder / "clips" / name / conditioner
            size = self.height, self.width
            self._opened[name, conditioner] = AnnotationFolder(folder, self._stored[name], size, record.images)
        return self._opened[name, conditioner]


def frame_path(folder: Path, clip: str, index: int, suffix: str) -> Path:
    """Where a dataset keeps a frame of a clip."""
    return folder / "clips" / clip / "frames" / f"{index:06d}.{suffix}"


def newest_dataset(root: Path, fits: Callable[[Manifest], bool]) -> Path | None:
    """The dataset in the folder `root` that was finished last and fits; None where there is none.

    Folders that are no datasets, damaged or unfinished are passed over.
    """
    if not root.is_dir():
        return None
    found = []
    for path in root.glob(f"*/{FILE_NAME}"):
        if path.parent.name.endswith(UNFINISHED):
            continue
        try:
            if fits(read_manifest(path.parent)):
                found.append((path.stat().st_mtime_ns, path.parent.name, path.parent))
        except (Vid2VidError, OSError):
            continue
    return max(found)[2] if found else None
