"""The pose errors and measurements on hand-computed examples."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.registry import load_conditioner


def body(*, size: float = 200.0, offset: float = 0.0) -> np.ndarray:
    """Joints on a diagonal, `size` pixels high and half as wide, with confidence 1."""
    steps = np.linspace(0, 1, 25)
    return np.stack([offset + steps * size / 2, steps * size, np.ones(25)], axis=1)


def compute_errors(detected: np.ndarray, reference: np.ndarray, quality: float = 1.0) -> dict[str, float]:
    detected_annotation, reference_annotation = (
        Annotation(300, 300, value, {"body": points.astype(np.float32)})
        for value, points in ((quality, detected), (1.0, reference))
    )
    return load_conditioner("pose").errors(detected_annotation, reference_annotation)


def test_pose_error_is_the_mean_joint_distance() -> None:
    """5 pixels of 200."""
    assert compute_errors(body() + np.array([3, 4, 0]), body()) == pytest.approx({"pose_error": 2.5, "pose_pck": 100})


def test_pck_counts_distant_and_missing_joints_as_incorrect() -> None:
    detected = body()
    detected[0, 1] += 21  # just above a tenth of the size
    detected[1, 0] += 19
    detected[2] = np.nan
    assert compute_errors(detected, body()) == pytest.approx(
        {"pose_error": (10.5 + 9.5) / 24, "pose_pck": 100 * 23 / 25}
    )


def test_errors_ignore_reference_joints_of_low_confidence() -> None:
    reference = body()
    reference[5:, 2] = 0.1
    reference[4] = np.nan
    detected = body()
    detected[5:] += 100
    assert compute_errors(detected, reference) == pytest.approx({"pose_error": 0, "pose_pck": 100})


def test_errors_are_relative_to_the_size_of_each_person() -> None:
    reference = np.concatenate([body(), body(size=50, offset=200)])
    detected = reference + np.array([0, 4, 0])
    assert compute_errors(detected, reference) == pytest.approx({"pose_error": (2 + 8) / 2, "pose_pck": 100})


def test_errors_are_empty_without_both_people() -> None:
    missing = np.full((25, 3), np.nan)
    assert compute_errors(missing, body(), quality=0) == {}
    assert compute_errors(missing, body()) == {}
    assert compute_errors(body(), missing) == {}


def test_measurements_are_in_torso_lengths() -> None:
    joints = np.full((25, 3), np.nan)
    for index, (x, y) in {1: (100, 50), 8: (100, 150), 2: (80, 50), 4: (80, 20), 5: (120, 50), 7: (120, 130)}.items():
        joints[index] = x, y, 1
    annotation = Annotation(300, 300, 1.0, {"body": joints.astype(np.float32)})
    values = load_conditioner("pose").measure(annotation)
    assert values["right_arm_raised"] == pytest.approx(0.3)
    assert values["left_arm_raised"] == pytest.approx(-0.8)
    assert values["lean"] == pytest.approx(0)
    assert np.isnan(values["feet_apart"])
    joints[11], joints[14] = (90, 250, 1), (140, 250, 1)
    joints[1] = 200, 50, 1  # the torso leans to the right by 45 degrees
    values = load_conditioner("pose").measure(Annotation(300, 300, 1.0, {"body": joints.astype(np.float32)}))
    assert values["feet_apart"] == pytest.approx(50 / np.hypot(100, 100))
    assert values["lean"] == pytest.approx(45)
