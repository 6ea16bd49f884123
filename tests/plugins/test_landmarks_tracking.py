"""Tracking and smoothing of the landmarks plugin."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.synthetic_faces import eye_distance, place_face, relative_gap, schematic_face
from vid2vid_landmarks.backend import DetectedFace, crop_and_resize
from vid2vid_landmarks.tracking import MAX_MISSING_FRAMES, FaceTracker, LandmarkSmoother, face_quality

from vid2vid_cli.conditioning import VideoFrame, square_around


def make_face(scale: float, x: float, y: float = 100) -> DetectedFace:
    return DetectedFace(place_face(schematic_face(), scale, x, y), 1.0)


def update_tracker(tracker: FaceTracker, *faces: DetectedFace) -> DetectedFace | None:
    return tracker.update(faces, VideoFrame(np.zeros((240, 320, 3), np.uint8)))


def test_tracker_selects_and_keeps_the_largest_face() -> None:
    tracker = FaceTracker()
    first_face = update_tracker(tracker, make_face(30, 60), make_face(50, 200))
    tracked_face = update_tracker(tracker, make_face(80, 60), make_face(50, 203))
    assert first_face is not None
    assert tracked_face is not None
    assert first_face.points[:, 0].mean() > 150
    assert tracked_face.points[:, 0].mean() > 150


@pytest.mark.parametrize(("person", "x"), [("1", 60), ("2", 150), ("3", 260), ("centre", 150)])
def test_tracker_selects_the_requested_face(person: str, x: float) -> None:
    tracker = FaceTracker(person)
    for shift in range(5):
        tracked_face = update_tracker(
            tracker, make_face(50, 260 + shift), make_face(20, 60 + shift), make_face(30, 150 + shift)
        )
        assert tracked_face is not None
        assert tracked_face.points[:, 0].mean() == pytest.approx(x + shift, abs=5)


def test_tracker_waits_before_switching_faces() -> None:
    tracker = FaceTracker()
    update_tracker(tracker, make_face(50, 200))
    tracked_faces = [update_tracker(tracker, make_face(50, 30)) for _ in range(MAX_MISSING_FRAMES + 2)]
    assert tracked_faces[:MAX_MISSING_FRAMES] == [None] * MAX_MISSING_FRAMES
    assert tracked_faces[-1] is not None


def test_tracker_recovers_the_face_after_a_gap() -> None:
    tracker = FaceTracker()
    update_tracker(tracker, make_face(50, 200))
    for _ in range(5):
        assert update_tracker(tracker) is None
        assert tracker.tracked_face is not None
    tracked_face = update_tracker(tracker, make_face(50, 230), make_face(90, 30))
    assert tracked_face is not None
    assert tracked_face.points[:, 0].mean() > 150


def test_tracker_reset_discards_the_face() -> None:
    tracker = FaceTracker()
    assert update_tracker(tracker, make_face(50, 200)) is not None
    tracker.reset()
    assert tracker.tracked_face is None
    assert update_tracker(tracker, make_face(50, 30)) is not None


def test_smoother_removes_jitter() -> None:
    rng = np.random.default_rng(0)
    clean_points = place_face(schematic_face(), 100, 160, 120)
    noisy = [(clean_points + rng.normal(0, 0.7, clean_points.shape)).astype(np.float32) for _ in range(60)]
    smoother = LandmarkSmoother(0.01)
    smoothed = np.stack([smoother(points) for points in noisy])[10:]
    assert (smoothed - clean_points).std() < 0.6 * np.stack(noisy)[10:].std(axis=0).mean()
    assert np.diff(smoothed, axis=0).std() < 0.5 * np.diff(np.stack(noisy)[10:], axis=0).std()


def test_smoother_preserves_a_blink() -> None:
    smoother = LandmarkSmoother(0.01)
    gaps = [0.1] * 10 + [0.05, 0.005, 0.005, 0.06] + [0.1] * 5
    smoothed_gaps = [
        float(relative_gap(smoother(place_face(schematic_face(eye_gap=gap), 100, 160, 120)), 37, 41)) for gap in gaps
    ]
    np.testing.assert_allclose(smoothed_gaps, gaps, atol=0.015)
    assert smoothed_gaps[-1] == pytest.approx(0.1, abs=0.005)


def test_smoother_lag_is_bounded() -> None:
    smoother = LandmarkSmoother(0.01)
    for index in range(40):
        points = place_face(schematic_face(), 100, 100 + 0.4 * index, 120)
        smoothed = smoother(points)
    assert np.abs(smoothed - points).max() < 0.012 * eye_distance(points)


def test_smoother_restarts_after_jump_or_reset() -> None:
    smoother = LandmarkSmoother(0.1)
    smoother(place_face(schematic_face(), 100, 100, 120))
    jumped_points = place_face(schematic_face(), 100, 260, 120)
    np.testing.assert_array_equal(smoother(jumped_points), jumped_points)
    shifted_points = place_face(schematic_face(), 100, 261, 120)
    assert not np.array_equal(smoother(shifted_points), shifted_points)
    smoother.reset()
    np.testing.assert_array_equal(smoother(shifted_points), shifted_points)


def test_smoother_with_zero_jitter_size_is_identity() -> None:
    smoother = LandmarkSmoother(0.0)
    for index in range(3):
        points = place_face(schematic_face(), 100, 100 + 0.1 * index, 120)
        np.testing.assert_array_equal(smoother(points), points)


def test_quality_decreases_for_small_turned_and_cropped_faces() -> None:
    def quality_of(points: np.ndarray) -> float:
        return face_quality(DetectedFace(points.astype(np.float32), 1.0), 240, 320)

    frontal_quality = quality_of(place_face(schematic_face(), 60, 160, 100))
    assert frontal_quality == 1
    assert 0 < quality_of(place_face(schematic_face(), 8, 160, 100)) < 0.6
    assert 0 < quality_of(place_face(schematic_face(), 60, 0, 100)) < 0.7
    turned_points = place_face(schematic_face(), 60, 160, 100)
    turned_points[27:36, 0] -= 0.65 * 60
    assert 0 < quality_of(turned_points) < 0.7


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_scaled_crop_maps_points_to_the_frame(scale: float) -> None:
    frame = np.zeros((100, 120, 3), np.uint8)
    frame[60:64, 80:84] = 255
    crop = crop_and_resize(frame, square_around((70, 50, 95, 75), 1.5), scale)
    rows, columns = np.nonzero(crop.image[..., 0] > 127)
    (centre,) = crop.to_frame(np.array([[columns.mean(), rows.mean()]], np.float32))
    np.testing.assert_allclose(centre, [81.5, 61.5], atol=0.5)
