"""Few frames of a video, spread over it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from itertools import chain, islice

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.reader import VideoReader

MAX_RUNS = 10
"""Runs of consecutive frames: each begins a clip, and conditioners that track start again at each."""
MIN_RUN_FRAMES = 2
"""A training needs a frame and the one before it."""


def spread_runs(num_frames: int, num_selected: int) -> list[range]:
    """Runs of consecutive frames at equal distances, `num_selected` frames in all; one run if there are no more."""
    if num_selected >= num_frames:
        return [range(num_frames)]
    num_runs = min(MAX_RUNS, max(1, num_selected // MIN_RUN_FRAMES))
    starts = [num_frames * run // num_runs for run in range(num_runs + 1)]
    lengths = [num_selected * (run + 1) // num_runs - num_selected * run // num_runs for run in range(num_runs)]
    runs = []
    for start, stop, length in zip(starts, starts[1:], lengths, strict=False):
        first = start + (stop - start - length) // 2  # in the middle: the number of frames is an estimate
        runs.append(range(first, first + length))
    return runs


class SpreadReader:
    """Reads only the frames in runs of another reader; each run begins a clip."""

    def __init__(self, reader: VideoReader, num_selected: int) -> None:
        self._reader, self._num_selected = reader, num_selected
        self.runs = spread_runs(reader.num_frames or num_selected, num_selected)
        self.num_frames = sum(map(len, self.runs))
        self.discontinuities: set[int] = set()
        """As of `VideoReader`, as numbers of the selected frames."""
        self.warnings, self.remarks = reader.warnings, reader.remarks

    def __iter__(self) -> Generator[ImageArray, None, None]:
        """Yield the selected frames in order; what lies between the runs is skipped where the file allows it."""
        position = 0
        for run in self.runs:
            if position:
                self.discontinuities.add(position)
            part = self._reader.select_range(run.start, run.stop)
            with closing(_iterate(part, len(run))) as frames:
                for index, frame in enumerate(frames):
                    if index in part.discontinuities:
                        self.discontinuities.add(position)
                    yield frame
                    position += 1
            self.warnings += [warning for warning in part.warnings if warning not in self.warnings]

    def source_index(self, position: int) -> int:
        """The number in the video of the selected frame `position`."""
        return next(islice(chain.from_iterable(self.runs), position, None))

    def describe(self) -> str:
        """Human-readable: how many frames are used."""
        if self.num_frames < self._num_selected:
            return f"all {self.num_frames} frames are used: it has no more."
        places = "1 place" if len(self.runs) == 1 else f"{len(self.runs)} places"
        return f"{self.num_frames} frames are used, from {places} of the video."


def _iterate(reader: VideoReader, count: int) -> Generator[ImageArray, None, None]:
    """The first `count` frames."""
    yield from islice(reader, count)
