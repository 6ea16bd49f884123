"""Temporal processing of one face: tracking, smoothing and quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, Tracker, VideoFrame
from vid2vid_landmarks.backend import DetectedFace
from vid2vid_landmarks.topology import FACE_PARTS, IRIS_PARTS, NUM_POINTS

MAX_MISSING_FRAMES = 15  # frames without the tracked face for which the backends search its surroundings first


class FaceTracker:
    """Selects a face and tracks it."""

    def __init__(self, person: str = "largest") -> None:
        self._tracker = Tracker(person, max_missing_frames=MAX_MISSING_FRAMES)
        self._last_face: DetectedFace | None = None

    @property
    def tracked_face(self) -> DetectedFace | None:
        """The tracked face at its last detection; None if no face is tracked."""
        return None if self._tracker.box is None else self._last_face

    def reset(self) -> None:
        """Discard the tracked face, at a cut."""
        self._tracker.reset()

    @property
    def warnings(self) -> list[str]:
        """See `Tracker.warnings`."""
        return self._tracker.warnings

    def update(self, faces: Sequence[DetectedFace], frame: VideoFrame) -> DetectedFace | None:
        """Find the tracked face among the faces of the next frame; None if it is not among them."""
        scores = [face.score if np.isfinite(face.points).all() and _face_size(face) > 2 else 0.0 for face in faces]
        index = self._tracker.update_single([face.box for face in faces], scores, frame)
        if index is None:
            return None
        self._last_face = faces[index]
        return self._last_face


class LandmarkSmoother:
    """Causal adaptive exponential smoothing of 68 points, and of irises: strong at rest, weak in motion.

    Each part of the face has its own weight r^2 / (r^2 + n^2), where r is the root mean square distance of its points
    from their smoothed positions and n the jitter size: `jitter_size` times the eye distance, plus a constant, because
    points of small faces are less accurate. Jitter of size n is halved, 90 % of a blink of size 3 n passes
    immediately, and slow motion lags by about n at most. The weight is at least `MIN_WEIGHT`, so that the residual
    vanishes.
    """

    MIN_WEIGHT = 0.25
    MAX_JUMP = 0.5  # in eye distances; after a larger jump the smoother restarts
    EYE_DISTANCE_OFFSET_PX = 25.0  # pixels added to the eye distance, for the lower accuracy on small faces

    def __init__(self, jitter_size: float) -> None:
        self._jitter_size = jitter_size
        self._smoothed_points: NDArray[np.float64] | None = None

    def reset(self) -> None:
        """Discard the history, after a gap or a cut."""
        self._smoothed_points = None

    def __call__(self, points: FloatArray) -> FloatArray:
        """Smooth the points (68, 2) of the next frame, or (78, 2) with both irises, which may be NaN."""
        new_points = points.astype(np.float64)
        if self._smoothed_points is None or self._jitter_size <= 0:
            self._smoothed_points = new_points
            return points
        eye_spacing = eye_distance(new_points)
        # The iris of an eye that opens has no history.
        is_new = np.isnan(self._smoothed_points)
        offsets = np.where(is_new, 0, new_points - np.where(is_new, 0, self._smoothed_points))
        if float(np.sqrt((offsets[:NUM_POINTS] ** 2).sum(axis=1).mean())) > self.MAX_JUMP * eye_spacing:
            self._smoothed_points = new_points
            return points
        jitter_px = self._jitter_size * (eye_spacing + self.EYE_DISTANCE_OFFSET_PX)
        weights = np.empty((len(new_points), 1))
        for part in (*FACE_PARTS.values(), *IRIS_PARTS)[: None if len(new_points) > NUM_POINTS else len(FACE_PARTS)]:
            indices = list(part)
            mean_square = float((offsets[indices] ** 2).sum(axis=1).mean())
            weights[indices] = max(mean_square / (mean_square + jitter_px**2), self.MIN_WEIGHT)
        self._smoothed_points = np.where(is_new, new_points, self._smoothed_points + weights * offsets)
        return self._smoothed_points.astype(np.float32)


def eye_distance(points: NDArray[Any]) -> float:
    """Distance of the outer eye corners in pixels."""
    return float(np.hypot(*(points[45] - points[36])))


def face_quality(face: DetectedFace, height: int, width: int) -> float:
    """Quality in (0, 1]: detector confidence x share of points inside the frame x size x frontality."""
    points = face.points
    x, y = points[:, 0], points[:, 1]
    inside_share = float(((x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)).mean())
    size_score = min(1.0, eye_distance(points) / 16.0)
    # Distance of the nose from each side of the face; in profile one of them is near zero.
    left_distance, right_distance = (float(np.hypot(*(points[30] - points[side]))) for side in (2, 14))
    frontality = min(1.0, min(left_distance, right_distance) / (0.35 * max(left_distance, right_distance, 1e-6)))
    return float(np.clip(face.score * inside_share * size_score * frontality, 0.02, 1.0))


def _face_size(face: DetectedFace) -> float:
    x0, y0, x1, y1 = face.box
    return max(x1 - x0, y1 - y0)
