"""The common interface of frame readers, and a reader of black frames for label files without a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from copy import copy
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.file_pairing import describe_gaps, find_gaps
from vid2vid_cli.media.files import describe_ignored
from vid2vid_cli.media.probe import Probe


class FrameSource(Protocol):
    """The interface that `VideoReader` and `BlankReader` share."""

    probe: Probe
    fps: Fraction
    height: int
    width: int
    warnings: list[str]
    remarks: list[str]
    files: tuple[Path, ...]
    """The files of a folder, one per frame of the whole source; () if the source is a single file."""

    @property
    def num_frames(self) -> int | None:
        """Number of frames; None if unknown."""

    @property
    def source_fps(self) -> Fraction:
        """Frame rate of the source, which the grid may resample."""

    @property
    def start_seconds(self) -> Fraction:
        """Time of the first frame, in seconds after the first frame of the source."""

    @property
    def discontinuities(self) -> Set[int]:
        """Indices of frames that do not continue the previous one; an index is added before its frame is yielded."""

    @property
    def seekable_indices(self) -> Sequence[int]:
        """Indices, ascending and from 0, at which `select_range` can start without decoding earlier frames."""

    def select_range(self, start: int, stop: int) -> FrameSource:
        """A reader of frames `start` to `stop` - 1 of this one."""

    def __iter__(self) -> Iterator[ImageArray]:
        """Yield the frames in order, each (h, w, 3) uint8 RGB."""


class BlankReader:
    """Yields black frames (h, w, 3) uint8, one per label file of a folder; `size` is (height, width)."""

    def __init__(self, files: Sequence[Path], *, fps: Fraction, size: tuple[int, int]) -> None:
        self.files, self.path, self.fps = tuple(files), files[0].parent, fps
        num_frames = len(files)
        self._frame_indices = range(num_frames)
        self.height, self.width = size
        self.probe = Probe(
            width=self.width,
            height=self.height,
            fps=fps,
            num_frames=num_frames,
            duration=float(num_frames / fps),
            rotation=0,
            has_audio=False,
            codec="none",
            is_variable_rate=False,
            colour_space="rgb",
            kind="images",
        )
        self._gaps = find_gaps(self.files)
        self.warnings: list[str] = [describe_gaps(self.files, self._gaps)] if self._gaps else []
        if ignored := describe_ignored(self.path, self.files):
            self.warnings.append(ignored)
        self.remarks: list[str] = []

    @property
    def source_fps(self) -> Fraction:
        """The frame rate."""
        return self.fps

    @property
    def start_seconds(self) -> Fraction:
        """Time of the first selected file, in seconds."""
        return self._frame_indices.start / self.fps

    @property
    def num_frames(self) -> int | None:
        """Number of selected frames."""
        return len(self._frame_indices)

    @property
    def discontinuities(self) -> Set[int]:
        """Indices of the frames before which numbers are missing in the names of the files."""
        first = self._frame_indices.start
        return {gap - first for gap in self._gaps if first < gap < self._frame_indices.stop}

    @property
    def seekable_indices(self) -> Sequence[int]:
        """All indices."""
        return range(len(self._frame_indices))

    def select_range(self, start: int, stop: int) -> BlankReader:
        """A reader of frames `start` to `stop` - 1; its `probe` still describes all files."""
        reader = copy(self)
        reader._frame_indices = self._frame_indices[start:stop]
        return reader

    def __iter__(self) -> Iterator[ImageArray]:
        """Yield a new array per frame."""
        for _ in self._frame_indices:
            yield np.zeros((self.height, self.width, 3), dtype=np.uint8)
