"""The landmark error by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation, Conditioner
from vid2vid_cli.conditioning.registry import load_conditioner


@pytest.fixture
def landmarks() -> Conditioner:
    return load_conditioner("landmarks")


def face(points: np.ndarray, quality: float = 1.0) -> Annotation:
    return Annotation(100, 100, quality, {"face": points.astype(np.float32)})


def test_by_hand(landmarks: Conditioner) -> None:
    wanted = np.zeros((68, 2))
    wanted[36], wanted[45] = (10, 0), (60, 0)
    one = wanted.copy()
    one[0] += (0, 68)  # one point of 68 off by 68: a mean of 1 pixel of 50 between the eyes, 2 %
    assert landmarks.distances(face(wanted + np.array([3, 4])), face(wanted)) == pytest.approx({"landmark_error": 10})
    assert landmarks.distances(face(one), face(wanted)) == pytest.approx({"landmark_error": 2})


def test_the_norm_is_that_of_the_wanted_face(landmarks: Conditioner) -> None:
    wanted = np.zeros((68, 2))
    wanted[45] = (30, 40)
    assert landmarks.distances(face(wanted * 2), face(wanted)) == pytest.approx({"landmark_error": 100 / 68})


def test_nothing_is_said_where_a_face_is_missing(landmarks: Conditioner) -> None:
    wanted, broken = np.random.default_rng(0).random((68, 2)), np.full((68, 2), np.nan)
    assert landmarks.distances(face(broken, 0), face(wanted)) == {}
    assert landmarks.distances(face(wanted), face(broken, 0)) == {}
    broken[1:] = wanted[1:]
    assert landmarks.distances(face(broken), face(wanted)) == {}
