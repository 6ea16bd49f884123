"""Frames without a detection: their number, and the times of the gaps."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from vid2vid_cli.data.dataset import Dataset, valid_ranges

MIN_GAP_SECONDS = 0.2
"""Duration of a gap whose times are listed; shorter gaps are only counted."""
LONG_GAP_SECONDS = 0.5
"""Duration of a gap that is reported even if almost all frames have a detection."""
MAX_LISTED_GAPS = 6
"""Number of gaps whose times are listed."""
MIN_DETECTION_RATE = 0.9
"""Share of frames with a detection below which a warning is emitted."""
MIN_USABLE_RATE = 0.1
"""Share of frames with a detection below which a video is of no use."""


def has_enough_detections(dataset: Dataset) -> bool:
    """Whether a training is of use: detections on a tenth of the frames, and on two consecutive training frames."""
    records = dataset.manifest.conditioners
    rates = [record.quality.num_detected / max(record.quality.num_frames, 1) for record in records]
    names = [record.name for record in records]
    return min(rates) >= MIN_USABLE_RATE and any(
        frame_range.num_frames > 1 for frame_range in valid_ranges(dataset, names, "train")
    )


class DetectionGaps:
    """Counts frames without a detection and records the times of the gaps, in bounded memory."""

    def __init__(self, fps: Fraction, start_seconds: float = 0.0) -> None:
        """`start_seconds` is the time of the first frame in the video."""
        self.num_frames = self.num_missing = 0
        self._fps, self._start_seconds = fps, start_seconds
        self._gap_length = self._num_gaps = self._longest_gap = 0
        self._listed_gaps: list[tuple[int, int]] = []

    def add(self, is_missing: bool) -> None:
        """Count the next frame."""
        if not is_missing:
            self._end_gap()
        self.num_frames += 1
        self.num_missing += is_missing
        self._gap_length += is_missing

    def add_frames(self, are_missing: Iterable[bool]) -> None:
        """Count the next frames."""
        for is_missing in are_missing:
            self.add(bool(is_missing))

    @property
    def detection_rate(self) -> float:
        """Share of the frames with a detection; 1 without frames."""
        return 1 - self.num_missing / max(self.num_frames, 1)

    @property
    def is_in_gap(self) -> bool:
        """Whether the last frame has no detection."""
        return self._gap_length > 0

    @property
    def is_notable(self) -> bool:
        """Whether many frames have no detection, or many consecutive ones."""
        self._end_gap()
        return self.detection_rate < MIN_DETECTION_RATE or self._longest_gap >= LONG_GAP_SECONDS * self._fps

    def describe_times(self) -> str:
        """` (0.76 to 2.96 s, 5.00 to 5.48 s)`: the times of the longer gaps; "" if all are short."""
        self._end_gap()
        if not self._listed_gaps:
            return ""
        times = [f"{self._seconds(start):.2f} to {self._seconds(stop):.2f} s" for start, stop in self._listed_gaps]
        num_unlisted = self._num_gaps - len(times)
        return f" ({', '.join(times)}{f' and {num_unlisted} more times' if num_unlisted else ''})"

    def _seconds(self, index: int) -> float:
        return self._start_seconds + float(index / self._fps)

    def _end_gap(self) -> None:
        length, self._gap_length = self._gap_length, 0
        self._longest_gap = max(self._longest_gap, length)
        if length < MIN_GAP_SECONDS * self._fps:
            return
        self._num_gaps += 1
        if len(self._listed_gaps) < MAX_LISTED_GAPS:
            self._listed_gaps.append((self.num_frames - length, self.num_frames))
