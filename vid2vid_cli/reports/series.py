"""Series of values in bounded memory, so that the report of a long run or video stays small."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean

Point = tuple[float, float]
MAX_POINTS = 600
"""Points per curve, about one per pixel of a plot."""


class BlockSeries:
    """Points (x, y) with increasing x; at `max_points`, an even number, each two neighbours are merged into one point.

    `reduce` merges the values of a block: the mean for noisy curves, the minimum or maximum where the worst value
    counts. NaN: no value there.
    """

    def __init__(
        self, reduce: Callable[[Sequence[float]], float] = fmean, *, max_points: int = MAX_POINTS, starts: bool = False
    ) -> None:
        """`starts`: x of a block is that of its first point, instead of the mean."""
        self.block_size = 1
        self._reduce, self._max_points, self._starts = reduce, max_points, starts
        self._blocks: list[Point] = []
        self._pending: list[Point] = []

    def add(self, x: float, y: float) -> None:
        """Append a point."""
        self._pending.append((x, y))
        if len(self._pending) < self.block_size:
            return
        self._blocks.append(self._merge(self._pending))
        self._pending = []
        if len(self._blocks) == self._max_points:
            self._blocks = [self._merge(self._blocks[i : i + 2]) for i in range(0, self._max_points, 2)]
            self.block_size *= 2

    def drop_from(self, x: float) -> None:
        """Remove the points at `x` and above, of steps that a resumed training repeats."""
        self._blocks = [block for block in self._blocks if block[0] < x]
        self._pending = [point for point in self._pending if point[0] < x]

    @property
    def points(self) -> list[Point]:
        """The merged points, the incomplete last block included."""
        return [*self._blocks, *([self._merge(self._pending)] if self._pending else [])]

    def _merge(self, points: Sequence[Point]) -> Point:
        x = points[0][0] if self._starts else fmean(x for x, _ in points)
        values = [y for _, y in points if not math.isnan(y)]
        return x, self._reduce(values) if values else math.nan
