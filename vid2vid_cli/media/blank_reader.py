"""Frames with nothing on them: the timeline of label files that have no pictures beside them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.media.probe import Probe

Bytes = NDArray[np.uint8]


class Frames(Protocol):
    """What `VideoReader` and `BlankReader` have in common."""

    probe: Probe
    fps: Fraction
    height: int
    width: int
    warnings: list[str]
    remarks: list[str]

    @property
    def expected(self) -> int | None:
        """How many frames there are."""

    @property
    def own_fps(self) -> Fraction:
        """The rate of the pictures themselves."""

    @property
    def begin(self) -> Fraction:
        """Seconds after the first picture at which the frames begin."""

    def part(self, first: int, last: int) -> Frames:
        """Frames `first` to `last` - 1 of these."""

    def __iter__(self) -> Iterator[Bytes]:
        """Frames (h, w, 3) uint8 RGB in order."""


class BlankReader:
    """Black frames, (height, width, 3) uint8, one for each label file of `folder`; as `VideoReader` otherwise."""

    def __init__(self, folder: Path, count: int, fps: Fraction, size: tuple[int, int]) -> None:
        self.path, self.fps = folder, fps
        self._shown = range(count)
        self.height, self.width = size
        seconds = float(count / fps)
        self.probe = Probe(self.width, self.height, fps, count, seconds, 0, False, "none", False, "rgb", "images")
        self.warnings: list[str] = []
        self.remarks: list[str] = []

    @property
    def own_fps(self) -> Fraction:
        """The rate."""
        return self.fps

    @property
    def begin(self) -> Fraction:
        """That of the first file that is shown."""
        return self._shown.start / self.fps

    @property
    def expected(self) -> int | None:
        """How many frames there are."""
        return len(self._shown)

    def part(self, first: int, last: int) -> BlankReader:
        """As of `Frames`; `probe` still tells of all the files."""
        part = copy(self)
        part._shown = self._shown[first:last]
        return part

    def __iter__(self) -> Iterator[Bytes]:
        """Each an array of its own."""
        for _ in self._shown:
            yield np.zeros((self.height, self.width, 3), dtype=np.uint8)
