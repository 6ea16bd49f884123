"""Detection on every N-th frame, and the interpolated points between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from vid2vid_pose.interpolation import annotate_every, interpolate

from vid2vid_cli.conditioning import Annotation, VideoFrame


def frames(cuts: Sequence[int], count: int) -> list[VideoFrame]:
    """Frame k is filled with k."""
    return [VideoFrame(np.full((4, 4, 3), index, dtype=np.uint8), index in cuts) for index in range(count)]


def annotation(x: float, quality: float = 1.0) -> Annotation:
    return Annotation(4, 4, quality, {"body": np.array([[x, 0.0, 1.0]], dtype=np.float32)})


@pytest.mark.parametrize(
    ("interval", "cuts", "detected"),
    [
        (1, (0,), [0, 1, 2, 3, 4, 5, 6, 7]),
        (2, (0,), [0, 2, 4, 6, 7]),
        (3, (0,), [0, 3, 6, 7]),
        (3, (0, 5), [0, 3, 4, 5, 7]),
        (2, (0, 3, 4), [0, 2, 3, 4, 6, 7]),
        (4, (0, 1), [0, 1, 5, 7]),
    ],
)
def test_annotate_every_detects_first_and_last_frame_of_each_shot(
    interval: int, cuts: tuple[int, ...], detected: list[int]
) -> None:
    """Motion at a constant speed is interpolated without an error."""
    received: list[int] = []

    def annotate(frame: VideoFrame) -> Annotation:
        received.append(int(frame.rgb[0, 0, 0]))
        return annotation(received[-1])

    annotations = list(annotate_every(frames(cuts, 8), annotate, interval))
    assert received == detected
    assert [float(item.points["body"][0, 0]) for item in annotations] == pytest.approx(list(range(8)), abs=1e-5)


def test_annotate_every_of_no_frames_is_empty() -> None:
    assert list(annotate_every([], lambda frame: annotation(0), 2)) == []


def test_interpolate_takes_a_point_that_one_side_lacks_from_the_nearer_one() -> None:
    missing = annotation(np.nan)
    assert np.isnan(interpolate(missing, annotation(4), 0.25).points["body"][0, 0])
    assert interpolate(missing, annotation(4), 0.5).points["body"][0, 0] == 4
    assert interpolate(annotation(4), missing, 0.25).points["body"][0, 0] == 4
    between = interpolate(annotation(0, 0.5), annotation(4, 1.0), 0.25)
    assert (between.points["body"][0, 0], between.quality) == (1, 0.625)


def test_interpolate_without_a_detection_is_the_nearer_one() -> None:
    empty = annotation(np.nan, quality=0)
    assert interpolate(empty, annotation(4), 0.25).quality == 0
    assert interpolate(empty, annotation(4), 0.75).points["body"][0, 0] == 4
