"""Which face is followed, and smoothing: jitter goes, blinks and jumps stay."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.synthetic_faces import eye_distance, gap, place, schematic
from vid2vid_landmarks.backend import Face, crop
from vid2vid_landmarks.tracking import PATIENCE, Follower, Smoother, quality

from vid2vid_cli.conditioning import around


def face(scale: float, x: float, y: float = 100) -> Face:
    return Face(place(schematic(), scale, x, y), 1.0)


def choose(follower: Follower, *faces: Face) -> Face | None:
    return follower.choose(faces, 240, 320)


def test_the_largest_face_is_taken_and_kept() -> None:
    follower = Follower()
    first = choose(follower, face(30, 60), face(50, 200))
    chosen = choose(follower, face(80, 60), face(50, 203))
    assert first is not None
    assert chosen is not None
    assert first.points[:, 0].mean() > 150
    assert chosen.points[:, 0].mean() > 150


@pytest.mark.parametrize(("who", "x"), [("1", 60), ("2", 150), ("3", 260), ("centre", 150)])
def test_another_face_can_be_wanted(who: str, x: float) -> None:
    follower = Follower(who)
    for shift in range(5):
        chosen = choose(follower, face(50, 260 + shift), face(20, 60 + shift), face(30, 150 + shift))
        assert chosen is not None
        assert chosen.points[:, 0].mean() == pytest.approx(x + shift, abs=5)


def test_another_face_has_to_wait() -> None:
    follower = Follower()
    choose(follower, face(50, 200))
    answers = [choose(follower, face(50, 30)) for _ in range(PATIENCE + 2)]
    assert answers[:PATIENCE] == [None] * PATIENCE
    assert answers[-1] is not None


def test_a_face_that_comes_back_is_the_same() -> None:
    follower = Follower()
    choose(follower, face(50, 200))
    for _ in range(5):
        assert choose(follower) is None
        assert follower.last is not None
    chosen = choose(follower, face(50, 230), face(90, 30))
    assert chosen is not None
    assert chosen.points[:, 0].mean() > 150


def test_a_cut_begins_anew() -> None:
    follower = Follower()
    street, room = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    assert not any(follower.look(street) for _ in range(30))
    choose(follower, face(50, 200))
    assert follower.look(room)
    assert follower.last is None
    assert choose(follower, face(50, 30)) is not None


def test_jitter_is_removed() -> None:
    rng = np.random.default_rng(0)
    still = place(schematic(), 100, 160, 120)
    noisy = [(still + rng.normal(0, 0.7, still.shape)).astype(np.float32) for _ in range(60)]
    smoother = Smoother(0.01)
    smooth = np.stack([smoother(points) for points in noisy])[10:]
    assert (smooth - still).std() < 0.6 * np.stack(noisy)[10:].std(axis=0).mean()
    assert np.diff(smooth, axis=0).std() < 0.5 * np.diff(np.stack(noisy)[10:], axis=0).std()


def test_a_blink_passes_at_once() -> None:
    smoother = Smoother(0.01)
    eyes = [0.1] * 10 + [0.05, 0.005, 0.005, 0.06] + [0.1] * 5
    seen = [float(gap(smoother(place(schematic(eyes=value), 100, 160, 120)), 37, 41)) for value in eyes]
    np.testing.assert_allclose(seen, eyes, atol=0.015)
    assert seen[-1] == pytest.approx(0.1, abs=0.005)


def test_lag_is_bounded() -> None:
    smoother = Smoother(0.01)
    for index in range(40):
        points = place(schematic(), 100, 100 + 0.4 * index, 120)
        smooth = smoother(points)
    assert np.abs(smooth - points).max() < 0.012 * eye_distance(points)


def test_jumps_and_gaps_are_not_smoothed() -> None:
    smoother = Smoother(0.1)
    smoother(place(schematic(), 100, 100, 120))
    far = place(schematic(), 100, 260, 120)
    np.testing.assert_array_equal(smoother(far), far)
    near = place(schematic(), 100, 261, 120)
    assert not np.array_equal(smoother(near), near)
    smoother.forget()
    np.testing.assert_array_equal(smoother(near), near)


def test_zero_is_no_smoothing() -> None:
    smoother = Smoother(0.0)
    for index in range(3):
        points = place(schematic(), 100, 100 + 0.1 * index, 120)
        np.testing.assert_array_equal(smoother(points), points)


def test_quality_falls_with_size_turning_and_the_edge_of_the_picture() -> None:
    def of(points: np.ndarray) -> float:
        return quality(Face(points.astype(np.float32), 1.0), 240, 320)

    clear = of(place(schematic(), 60, 160, 100))
    assert clear == 1
    assert 0 < of(place(schematic(), 8, 160, 100)) < 0.6
    assert 0 < of(place(schematic(), 60, 0, 100)) < 0.7
    turned = place(schematic(), 60, 160, 100)
    turned[27:36, 0] -= 0.65 * 60
    assert 0 < of(turned) < 0.7


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_crops_know_the_way_back(scale: float) -> None:
    frame = np.zeros((100, 120, 3), np.uint8)
    frame[60:64, 80:84] = 255
    part = crop(frame, around((70, 50, 95, 75), 1.5), scale)
    rows, columns = np.nonzero(part.image[..., 0] > 127)
    (centre,) = part.back(np.array([[columns.mean(), rows.mean()]], np.float32))
    np.testing.assert_allclose(centre, [81.5, 61.5], atol=0.5)
