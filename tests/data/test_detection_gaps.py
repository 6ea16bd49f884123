"""Numbers and times of frames without a detection."""

from __future__ import annotations

from fractions import Fraction

import pytest

from vid2vid_cli.data.detection_gaps import MAX_LISTED_GAPS, DetectionGaps


def record_gaps(*runs: tuple[bool, int], fps: int = 10, start_seconds: float = 0.0) -> DetectionGaps:
    """Gaps of runs of (is missing, number of frames)."""
    gaps = DetectionGaps(Fraction(fps), start_seconds)
    for is_missing, num_frames in runs:
        gaps.add_frames([is_missing] * num_frames)
    return gaps


def test_detection_gaps_lists_times_of_longer_gaps() -> None:
    gaps = record_gaps((False, 7), (True, 22), (False, 10), (True, 1), (False, 5), (True, 5), start_seconds=3)
    assert (gaps.num_missing, gaps.num_frames) == (28, 50)
    assert gaps.describe_times() == " (3.70 to 5.90 s, 7.50 to 8.00 s)"


def test_detection_gaps_without_longer_gaps_lists_nothing() -> None:
    assert record_gaps((False, 7), (True, 1), (False, 10)).describe_times() == ""
    assert record_gaps().detection_rate == 1


def test_detection_gaps_memory_is_bounded() -> None:
    gaps = record_gaps(*[(False, 3), (True, 3)] * (MAX_LISTED_GAPS + 4))
    assert gaps.describe_times().endswith(" and 4 more times)")


@pytest.mark.parametrize(("num_missing", "expected"), [(0, False), (4, False), (5, True), (60, True)])
def test_detection_gaps_half_a_second_is_notable(num_missing: int, expected: bool) -> None:
    assert record_gaps((False, 500), (True, num_missing), (False, 500)).is_notable is expected
    assert record_gaps(*[(False, 1), (True, 1)] * 20).is_notable
