"""The distance of two skeletons, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.registry import load_conditioner


def body(*, size: float = 200.0, at: float = 0.0) -> np.ndarray:
    """Joints on a slant, `size` pixels high and half as wide, all certain."""
    steps = np.linspace(0, 1, 25)
    return np.stack([at + steps * size / 2, steps * size, np.ones(25)], axis=1)


def measured(found: np.ndarray, wanted: np.ndarray, quality: float = 1.0) -> dict[str, float]:
    one, other = (
        Annotation(300, 300, value, {"body": points.astype(np.float32)})
        for value, points in ((quality, found), (1.0, wanted))
    )
    return load_conditioner("pose").distances(one, other)


def test_all_joints_by_three_and_four_pixels() -> None:
    """5 pixels of 200."""
    assert measured(body() + np.array([3, 4, 0]), body()) == pytest.approx({"pose_error": 2.5, "pose_pck": 100})


def test_joints_that_are_far_or_missing_are_not_in_their_place() -> None:
    found = body()
    found[0, 1] += 21  # just above a tenth
    found[1, 0] += 19
    found[2] = np.nan
    assert measured(found, body()) == pytest.approx({"pose_error": (10.5 + 9.5) / 24, "pose_pck": 100 * 23 / 25})


def test_joints_that_are_not_sure_are_not_wanted() -> None:
    wanted = body()
    wanted[5:, 2] = 0.1
    wanted[4] = np.nan
    found = body()
    found[5:] += 100
    assert measured(found, wanted) == pytest.approx({"pose_error": 0, "pose_pck": 100})


def test_everybody_by_their_own_size() -> None:
    wanted = np.concatenate([body(), body(size=50, at=200)])
    found = wanted + np.array([0, 4, 0])
    assert measured(found, wanted) == pytest.approx({"pose_error": (2 + 8) / 2, "pose_pck": 100})


def test_nothing_is_said_of_nobody() -> None:
    nobody = np.full((25, 3), np.nan)
    assert measured(nobody, body(), quality=0) == {}
    assert measured(nobody, body()) == {}
    assert measured(body(), nobody) == {}
