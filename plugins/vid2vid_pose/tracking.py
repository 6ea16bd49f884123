"""Temporal processing of people: tracking, smoothing, and merging into annotations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, FloatArray, Tracker, VideoFrame
from vid2vid_pose.backend import DetectedPose, PoseBackend, point_shapes
from vid2vid_pose.topology import POINTS_PER_PERSON, missing_points

POINT_GROUPS: dict[str, tuple[tuple[int, ...], ...]] = {
    "body": (
        (0, 15, 16, 17, 18),  # head
        (1, 2, 5, 8, 9, 12),  # torso
        (3, 4), (6, 7),  # arms
        (10, 11, 22, 23, 24), (13, 14, 19, 20, 21),  # legs
    ),
    "left_hand": (tuple(range(21)),),
    "right_hand": (tuple(range(21)),),
    "face": (tuple(range(70)),),
}  # fmt: skip
"""Groups of points with a common smoothing weight."""


class PoseTracker:
    """Converts the frames of one video, in order, to annotations of the selected people."""

    def __init__(self, backend: PoseBackend, *, person: str, num_people: int, smoothing: float | None) -> None:
        self._backend = backend
        self._tracker = Tracker(person, num_people)
        jitter_size = backend.default_smoothing if smoothing is None else smoothing
        self._smoothers = [PoseSmoother(jitter_size) for _ in range(num_people)]
        self._frame_index = 0

    @property
    def warnings(self) -> list[str]:
        """See `Tracker.warnings`."""
        return self._tracker.warnings

    def annotate(self, frame: VideoFrame) -> Annotation:
        """Annotate the selected people on the next frame."""
        rgb = frame.rgb
        height, width = rgb.shape[:2]
        if frame.is_cut:
            self._tracker.reset()  # the backend must not search around people of the previous shot
            self._backend.reset()
        tracked_boxes = [box for box in self._tracker.boxes if box is not None]
        people = self._backend.detect_people(rgb, self._frame_index, tracked_boxes)
        boxes, scores = [person.box for person in people], [person.score for person in people]
        selected_people: list[DetectedPose | None] = []
        for slot, person_index in enumerate(self._tracker.update(boxes, scores, frame)):
            if person_index is None:
                self._smoothers[slot].reset()
                selected_people.append(None)
            else:
                selected_people.append(
                    self._smoothers[slot](
                        self._backend.add_hands_and_face(rgb, self._frame_index, slot, people[person_index])
                    )
                )
        self._frame_index += 1
        return merge_people(selected_people, self._backend.point_names, height, width)


def merge_people(
    people: Sequence[DetectedPose | None], point_names: Sequence[str], height: int, width: int
) -> Annotation:
    """Merge people into one annotation, one after the other; its quality is the mean score, 0 without people."""
    points = {
        name: np.concatenate(
            [
                missing_points(POINTS_PER_PERSON[name])
                if person is None
                else person.points.get(name, missing_points(POINTS_PER_PERSON[name]))
                for person in people
            ]
        )
        for name in point_shapes(point_names, len(people))
    }
    scores = [person.score for person in people if person is not None]
    return Annotation(height, width, float(np.mean(scores)) if scores else 0.0, points)


class PoseSmoother:
    """Causal adaptive exponential smoothing of one person's points: strong at rest, weak in motion.

    Each group of points has its own weight r^2 / (r^2 + n^2), where r is the root mean square distance of its points
    from their smoothed positions and n the jitter size: `jitter_size` times the person's longer side. Jitter of size n
    is halved and slow motion lags by about n at most. The weight is at least `MIN_WEIGHT`, so that the residual
    vanishes. A point that appears is not smoothed; the history of a point that disappears is discarded.
    """

    MIN_WEIGHT = 0.25

    def __init__(self, jitter_size: float) -> None:
        self._jitter_size = jitter_size
        self._smoothed_points: dict[str, NDArray[np.float64]] = {}

    def reset(self) -> None:
        """Discard the history, after a gap or a cut."""
        self._smoothed_points = {}

    def __call__(self, person: DetectedPose) -> DetectedPose:
        """Smooth the points of the person on the next frame."""
        x0, y0, x1, y1 = person.box
        jitter_px = self._jitter_size * max(x1 - x0, y1 - y0)
        if not jitter_px > 0:
            return person
        return DetectedPose(
            {name: self._smooth_points(name, points, jitter_px) for name, points in person.points.items()}
        )

    def _smooth_points(self, name: str, points: FloatArray, jitter_px: float) -> FloatArray:
        new_points = points[:, :2].astype(np.float64)
        old_points = self._smoothed_points.get(name, np.full_like(new_points, np.nan))
        offsets = new_points - old_points
        squared_offsets = (offsets**2).sum(axis=1)
        weights = np.ones(len(new_points))
        for group in POINT_GROUPS[name]:
            indices = list(group)
            known_squares = squared_offsets[indices][np.isfinite(squared_offsets[indices])]
            if len(known_squares):
                weights[indices] = max(known_squares.mean() / (known_squares.mean() + jitter_px**2), self.MIN_WEIGHT)
        smoothed = np.where(np.isfinite(old_points), old_points + weights[:, None] * offsets, new_points)
        self._smoothed_points[name] = np.where(np.isfinite(new_points), smoothed, np.nan)
        return np.column_stack([self._smoothed_points[name], points[:, 2]]).astype(np.float32)
