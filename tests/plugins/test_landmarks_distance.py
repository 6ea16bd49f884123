"""The landmark error on hand-computed examples."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation, Conditioner
from vid2vid_cli.conditioning.registry import load_conditioner


@pytest.fixture
def landmarks() -> Conditioner:
    return load_conditioner("landmarks")


def face_annotation(points: np.ndarray, quality: float = 1.0) -> Annotation:
    return Annotation(100, 100, quality, {"face": points.astype(np.float32)})


def test_errors_match_hand_computed_values(landmarks: Conditioner) -> None:
    reference = np.zeros((68, 2))
    reference[36], reference[45] = (10, 0), (60, 0)
    detected = reference.copy()
    detected[0] += (0, 68)  # one of 68 points is off by 68 pixels: mean 1 pixel, 2 % of the eye distance of 50
    assert landmarks.errors(face_annotation(reference + np.array([3, 4])), face_annotation(reference)) == pytest.approx(
        {"landmark_error": 10}
    )
    assert landmarks.errors(face_annotation(detected), face_annotation(reference)) == pytest.approx(
        {"landmark_error": 2}
    )


def test_errors_are_relative_to_the_reference_face(landmarks: Conditioner) -> None:
    reference = np.zeros((68, 2))
    reference[45] = (30, 40)
    assert landmarks.errors(face_annotation(reference * 2), face_annotation(reference)) == pytest.approx(
        {"landmark_error": 100 / 68}
    )


def test_errors_are_empty_without_both_faces(landmarks: Conditioner) -> None:
    reference, missing = np.random.default_rng(0).random((68, 2)), np.full((68, 2), np.nan)
    assert landmarks.errors(face_annotation(missing, 0), face_annotation(reference)) == {}
    assert landmarks.errors(face_annotation(reference), face_annotation(missing, 0)) == {}
    missing[1:] = reference[1:]
    assert landmarks.errors(face_annotation(missing), face_annotation(reference)) == {}
