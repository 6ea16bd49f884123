"""Access to a prepared dataset: frames and annotations by clip and index. Needs numpy, but no plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FRAME_CONDITIONER, Annotation
from vid2vid_cli.core.errors import DatasetError, MissingFileError, NotAVideoError, Vid2VidError
from vid2vid_cli.data.annotations import AnnotationFolder, AnnotationSequence, FrameAnnotations
from vid2vid_cli.data.manifest import (
    MANIFEST_FILE_NAME,
    PREPARE_AGAIN_HINT,
    Manifest,
    frame_file_name,
    read_manifest,
)
from vid2vid_cli.data.stored_files import check_inside
from vid2vid_cli.media.images import load_image

Split = Literal["train", "val", "all"]
PARTIAL_SUFFIX = ".partial"
DATASETS_FOLDER = Path("datasets")
"""Folder of the datasets that `prepare` writes by default."""


class FrameRange(NamedTuple):
    """Consecutive frames start to stop - 1 of a clip, relative to the start of the clip."""

    clip_index: int
    start: int
    stop: int

    @property
    def num_frames(self) -> int:
        """Length of the range."""
        return self.stop - self.start


class Dataset:
    """A dataset folder. Several threads may read it.

    Raises: MissingFileError (no such folder), DatasetError (not a dataset, damaged, or of another schema version).
    """

    def __init__(self, folder: Path, manifest: Manifest | None = None) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder) if manifest is None else manifest
        self._annotation_folders: dict[tuple[str, str], AnnotationFolder | FrameAnnotations] = {}
        self._num_stored_frames: dict[str, int] = {}
        """Clip folder -> number of frames in it."""
        for clip in self.manifest.clips:
            if not (folder / "clips" / clip.name / "frames").is_dir():
                missing_folder = folder / "clips" / clip.name / "frames"
                raise DatasetError(f"The dataset is damaged: {missing_folder} is missing.", PREPARE_AGAIN_HINT)
            self._num_stored_frames[clip.name] = max(
                self._num_stored_frames.get(clip.name, 0), clip.start_index + clip.num_frames
            )

    @property
    def height(self) -> int:
        """Height of the stored frames in pixels."""
        return self.manifest.height

    @property
    def width(self) -> int:
        """Width of the stored frames in pixels."""
        return self.manifest.width

    @property
    def fps(self) -> Fraction:
        """Exact frame rate in frames per second."""
        return self.manifest.frame_rate

    def frame_ranges(self, split: Split = "all") -> list[FrameRange]:
        """The ranges of consecutive frames of a split; a clip may have none."""
        if split == "all":
            return [FrameRange(index, 0, clip.num_frames) for index, clip in enumerate(self.manifest.clips)]
        split_ranges = self.manifest.splits.train if split == "train" else self.manifest.splits.val
        return [FrameRange(*span) for span in split_ranges]

    def stored_index(self, clip_index: int, index: int) -> int:
        """Index of a frame of a clip in its folder. Raises IndexError."""
        clip_record = self.manifest.clips[clip_index]
        if not 0 <= index < clip_record.num_frames:
            raise IndexError(f"clip {clip_index} has no frame {index}")
        return clip_record.start_index + index

    def frame_path(self, clip_index: int, index: int) -> Path:
        """Path of a stored frame. Raises IndexError."""
        return self._stored_path(self.manifest.clips[clip_index].name, self.stored_index(clip_index, index))

    def _stored_path(self, clip_name: str, stored_index: int) -> Path:
        file_name = frame_file_name(stored_index, self.manifest.frame_format)
        return self.folder / "clips" / clip_name / "frames" / file_name

    def load_frame(self, clip_index: int, index: int) -> NDArray[np.uint8]:
        """Load a frame, (h, w, 3) uint8 RGB. Raises DatasetError (missing, damaged or of another size), IndexError."""
        return self._load_stored_frame(self.frame_path(clip_index, index))

    def _load_stored_frame(self, path: Path) -> NDArray[np.uint8]:
        check_inside(path, self.folder)
        try:
            frame = load_image(path)
        except MissingFileError as error:
            raise DatasetError(f"The dataset is damaged: {path} is missing.", PREPARE_AGAIN_HINT) from error
        except NotAVideoError as error:
            raise DatasetError(f"The dataset is damaged: {error.message}", PREPARE_AGAIN_HINT) from error
        if frame.shape[:2] != (self.height, self.width):
            raise DatasetError(
                f"The dataset is damaged: {path} is {frame.shape[1]}x{frame.shape[0]}, not {self.width}x{self.height}.",
                PREPARE_AGAIN_HINT,
            )
        return frame

    def load_annotation(self, clip_index: int, index: int, conditioner: str) -> Annotation:
        """Load the annotation of a frame. Raises DatasetError (no such conditioner, or damaged), IndexError."""
        return self._annotation_folder(clip_index, conditioner).load(self.stored_index(clip_index, index))

    def statistics(self, conditioner: str) -> dict[str, Any]:
        """The statistics of a conditioner; {} for the frames themselves. Raises DatasetError (no such conditioner)."""
        return {} if conditioner == FRAME_CONDITIONER else self.manifest.conditioner_record(conditioner).statistics

    def quality(self, clip_index: int, conditioner: str) -> NDArray[np.float32]:
        """Quality of the annotations of a clip, (t,) float32; 0 without a detection."""
        clip_record = self.manifest.clips[clip_index]
        return self._annotation_folder(clip_index, conditioner).quality[
            clip_record.start_index : clip_record.start_index + clip_record.num_frames
        ]

    def annotations(self, frame_ranges: Iterable[FrameRange], conditioner: str) -> AnnotationSequence:
        """The annotations of a conditioner on the frames of the ranges, loaded on demand."""
        items = [
            (self._annotation_folder(clip, conditioner), self.stored_index(clip, index))
            for clip, a, b in frame_ranges
            for index in range(a, b)
        ]
        return AnnotationSequence(items)

    def _annotation_folder(self, clip_index: int, conditioner: str) -> AnnotationFolder | FrameAnnotations:
        name = self.manifest.clips[clip_index].name
        if (name, conditioner) not in self._annotation_folders and conditioner == FRAME_CONDITIONER:
            self._annotation_folders[name, conditioner] = FrameAnnotations(
                lambda index: self._load_stored_frame(self._stored_path(name, index)), self._num_stored_frames[name]
            )
        if (name, conditioner) not in self._annotation_folders:
            record = self.manifest.conditioner_record(conditioner)
            folder = self.folder / "clips" / name / conditioner
            check_inside(folder, self.folder)
            size = self.height, self.width
            self._annotation_folders[name, conditioner] = AnnotationFolder(
                folder, self._num_stored_frames[name], size, image_names=record.image_names
            )
        return self._annotation_folders[name, conditioner]


def valid_ranges(
    dataset: Dataset,
    conditioner_names: Sequence[str],
    split: Split,
    is_usable: Sequence[NDArray[np.bool_]] | None = None,
) -> list[FrameRange]:
    """The longest ranges of a split in which every frame has a detection of every conditioner.

    `is_usable`: of each clip, (frames,), whether a frame may be in a range at all; None: all frames.
    """
    ranges = []
    for frame_range in dataset.frame_ranges(split):
        is_detected = np.ones(frame_range.stop - frame_range.start, dtype=bool)
        for name in conditioner_names:
            is_detected &= dataset.quality(frame_range.clip_index, name)[frame_range.start : frame_range.stop] > 0
        if is_usable is not None:
            is_detected &= is_usable[frame_range.clip_index][frame_range.start : frame_range.stop]
        edges = np.flatnonzero(np.diff(np.concatenate([[0], is_detected.astype(np.int8), [0]])))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            ranges.append(
                FrameRange(frame_range.clip_index, frame_range.start + int(start), frame_range.start + int(stop))
            )
    return ranges


def find_newest_dataset(root: Path, is_match: Callable[[Manifest], bool]) -> Path | None:
    """The most recently finished dataset in `root` with a matching manifest, or None.

    Other folders, and damaged, outdated or unfinished datasets are ignored.
    """
    if not root.is_dir():
        return None
    candidates = []
    for path in root.glob(f"*/{MANIFEST_FILE_NAME}"):
        if path.parent.name.endswith(PARTIAL_SUFFIX):
            continue
        try:
            if is_match(read_manifest(path.parent)):
                candidates.append((path.stat().st_mtime_ns, path.parent.name, path.parent))
        except (Vid2VidError, OSError):
            continue
    return max(candidates)[2] if candidates else None
