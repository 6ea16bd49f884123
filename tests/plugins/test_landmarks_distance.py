"""The landmark error on hand-computed examples, and the measurements of a face."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.synthetic_faces import place_face, schematic_face

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


@pytest.mark.parametrize(("angle", "scale"), [(0.0, 50.0), (0.3, 20.0)])
def test_measurements_do_not_depend_on_size_and_roll(landmarks: Conditioner, angle: float, scale: float) -> None:
    face = place_face(schematic_face(mouth_gap=0.2, eye_gap=0.08, mouth_width=0.5), scale, 60, 60, angle)
    values = landmarks.measure(face_annotation(face))
    assert values["mouth_open"] == pytest.approx(0.2, abs=1e-3)
    assert values["mouth_width"] == pytest.approx(0.3, abs=1e-3)
    assert values["eyes_open"] == pytest.approx(0.08, abs=1e-3)
    assert values["head_yaw"] == pytest.approx(0, abs=1e-3)
    assert values["head_roll"] == pytest.approx(np.degrees(angle), abs=1e-2)


def test_measurements_of_a_turned_face_and_of_none(landmarks: Conditioner) -> None:
    face = schematic_face()
    face[30] += [0.1, 0]
    assert landmarks.measure(face_annotation(100 * face))["head_yaw"] == pytest.approx(0.1, abs=1e-3)
    empty = landmarks.measure(face_annotation(face, quality=0.0))
    assert empty.keys() == landmarks.measure(face_annotation(face)).keys()
    assert all(np.isnan(value) for value in empty.values())
