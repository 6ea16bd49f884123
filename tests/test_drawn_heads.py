"""The heads of the README's picture: a face detector measures what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.synthetic_faces import eye_distance, relative_gap, stack_points

from benchmarks.drawn_head import Expression, Head
from benchmarks.drawn_scene import draw_frame, draw_room
from benchmarks.picture import DRIVER, SIZE, TARGET, WALL
from vid2vid_cli.conditioning import VideoFrame
from vid2vid_cli.conditioning.registry import load_conditioner


@pytest.mark.parametrize("head", [TARGET, DRIVER])
def test_opening_of_the_mouth_is_detected(head: Head) -> None:
    """1 is 0.26 eye distances wide."""
    pytest.importorskip("mediapipe")
    room, openings = draw_room(SIZE, 0, WALL), (0.0, 0.5, 1.0)
    expressions = [Expression(yaw=yaw, mouth_openness=openness) for yaw in (0.0, 0.3) for openness in openings]
    frames = [draw_frame(head, expression, room, x=120, y=130, half_height=66) for expression in expressions]
    conditioner = load_conditioner("landmarks", {"backend": "mediapipe", "smoothing": 0.0})
    points = stack_points(list(conditioner.annotate(map(VideoFrame, frames))))
    gaps = relative_gap(points, 62, 66).reshape(2, 3)
    assert (gaps[:, 0] < 0.03).all()
    assert (np.abs(gaps[:, 1] - 0.13) < 0.05).all()
    assert (np.abs(gaps[:, 2] - 0.26) < 0.07).all()
    assert eye_distance(points)[0] == pytest.approx(66 * 0.9, rel=0.15)


def test_only_the_head_moves() -> None:
    room = draw_room(64, 0, WALL)
    frames = [
        draw_frame(TARGET, Expression(yaw=yaw), room, x=32, y=32, half_height=14).astype(int) for yaw in (-0.3, 0.3)
    ]
    is_changed = np.abs(frames[1] - frames[0]).max(-1) > 0
    assert is_changed.any()
    assert not is_changed[:8].any()
    assert not is_changed[:, :8].any()
    assert not is_changed[56:].any()
