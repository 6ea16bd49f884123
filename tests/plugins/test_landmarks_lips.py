"""Lips and lids of MediaPipe's mesh on real faces, against openings measured by eye on enlarged frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_faces import relative_gap, stack_points

from vid2vid_cli.conditioning import detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.reader import VideoReader

TURNING_MAN, EXPRESSIONS = "face/turning_man.mp4", "face/woman_expressions.mp4"


def measure_gap(path: Path, index: int, upper: int, lower: int) -> float:
    """The distance of two points on one frame, in eye distances."""
    pytest.importorskip("mediapipe")
    *_, frame = VideoReader(path, max_frames=index + 1)
    conditioner = load_conditioner("landmarks", {"backend": "mediapipe", "iris": False})
    return float(
        relative_gap(stack_points(list(conditioner.annotate(detect_cuts([np.asarray(frame)])))), upper, lower)[0]
    )


@pytest.mark.parametrize(
    ("clip", "index", "opening", "tolerance"),
    [
        (TURNING_MAN, 90, 0.39, 0.05),  # the plain mesh: 0.27
        (TURNING_MAN, 144, 0.50, 0.05),  # 0.39
        (EXPRESSIONS, 100, 0.0, 0.006),  # 0.018
    ],
    ids=["wide", "wider", "closed"],
)
def test_annotate_opens_and_closes_the_lips(
    shared_data: Path, clip: str, index: int, opening: float, tolerance: float
) -> None:
    assert measure_gap(shared_data / clip, index, 62, 66) == pytest.approx(opening, abs=tolerance)


def test_annotate_closes_the_lids(shared_data: Path) -> None:
    shut, opened = (measure_gap(shared_data / EXPRESSIONS, index, 37, 41) for index in (18, 0))
    assert shut < 0.3 * opened  # the plain mesh: 0.5
