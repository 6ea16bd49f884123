"""The interface of pose estimation backends: one frame in, detected bodies out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vid2vid_cli.conditioning import FloatArray, UInt8Array
from vid2vid_pose.topology import NUM_BODY_POINTS, NUM_CORE_JOINTS, POINTS_PER_PERSON, missing_points

Box = tuple[float, float, float, float]

MIN_VISIBLE_CONFIDENCE = 0.1
"""Minimum confidence of the joints that define a person's box and score."""
BODY_PARTS: dict[str, tuple[int, ...]] = {
    "head": (0,),
    "torso": (1, 2, 5, 8, 9, 12),
    "right arm": (3, 4),
    "left arm": (6, 7),
    "right leg": (10, 11),
    "left leg": (13, 14),
}
"""Core joints of each part of a body."""


@dataclass(frozen=True)
class DetectedPose:
    """One person on a frame: points (n, 3) by name, (x, y) in pixels and a confidence; NaN if not detected."""

    points: Mapping[str, FloatArray]
    box: Box = field(init=False)
    """Bounding box of the visible joints; NaN if there are none."""
    score: float = field(init=False)
    """See `pose_score`."""

    def __post_init__(self) -> None:
        body = self.points.get("body", missing_points(NUM_BODY_POINTS))
        visible_joints = body[np.isfinite(body).all(axis=1) & (body[:, 2] >= MIN_VISIBLE_CONFIDENCE)]
        box = (
            (float("nan"),) * 4
            if len(visible_joints) == 0
            else (*visible_joints[:, :2].min(axis=0), *visible_joints[:, :2].max(axis=0))
        )
        object.__setattr__(self, "box", tuple(float(value) for value in box))
        object.__setattr__(self, "score", pose_score(body))


def pose_score(body: FloatArray) -> float:
    """Score in [0, 1]: mean confidence of the visible core joints times their share of all core joints."""
    core_joints = body[:NUM_CORE_JOINTS]
    is_visible = np.isfinite(core_joints).all(axis=1) & (np.nan_to_num(core_joints[:, 2]) >= MIN_VISIBLE_CONFIDENCE)
    return float(np.clip(core_joints[is_visible, 2], 0, 1).sum() / NUM_CORE_JOINTS) if is_visible.any() else 0.0


def missing_body_parts(body: FloatArray) -> tuple[str, ...]:
    """Parts with fewer than half of their joints visible in `body` (25 p, 3) of p people; absent people are ignored."""
    people = body.reshape(-1, NUM_BODY_POINTS, 3)
    is_visible = np.isfinite(people).all(axis=2) & (np.nan_to_num(people[..., 2]) >= MIN_VISIBLE_CONFIDENCE)
    is_visible = is_visible[is_visible.any(axis=1)]
    return tuple(
        name for name, joints in BODY_PARTS.items() if is_visible[:, joints].sum() < is_visible[:, joints].size / 2
    )


class PoseBackend(ABC):
    """A pose detector for the frames of one video, in order; use it as a context manager."""

    point_names: tuple[str, ...] = ("body",)
    """Names of the point sets that it detects, keys of `POINTS_PER_PERSON`."""
    default_smoothing: float = 0.006
    """Jitter size that is used if the option `smoothing` is not set; see `PoseSmoother`."""

    @abstractmethod
    def detect_people(self, frame: UInt8Array, index: int, tracked_boxes: Sequence[Box]) -> list[DetectedPose]:
        """Detect the people on frame `index`, the next one; `tracked_boxes`: last boxes of the tracked people."""

    def add_hands_and_face(self, frame: UInt8Array, index: int, slot: int, person: DetectedPose) -> DetectedPose:
        """Add hands and face to the selected person number `slot` on frame `index`, if they are detected separately."""
        return person

    def reset(self) -> None:
        """Discard the history: the next frame begins a new shot."""
        return

    def close(self) -> None:
        """Release the library's resources."""
        return

    def __enter__(self) -> PoseBackend:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def point_shapes(names: Sequence[str], num_people: int) -> dict[str, tuple[int, int]]:
    """Shape of each point set in an annotation."""
    return {name: (num_people * num_points, 3) for name, num_points in POINTS_PER_PERSON.items() if name in names}


@dataclass(frozen=True)
class FrameCrop:
    """A crop of a frame at its original scale, with its offset."""

    image: UInt8Array
    x: int
    y: int

    def to_frame(self, relative_points: FloatArray) -> FloatArray:
        """Convert points (n, 2), relative to the sides of the crop (0..1), to pixels of the frame."""
        height, width = self.image.shape[:2]
        size = np.array([width, height], dtype=np.float32)
        positions: FloatArray = (relative_points * size - 0.5 + np.array([self.x, self.y])).astype(np.float32)
        return positions


def crop_frame(frame: UInt8Array, box: Box | None = None) -> FrameCrop:
    """Crop a frame to `box`, at least 8 pixels wide and high if the frame is; None: the whole frame."""
    height, width = frame.shape[:2]
    if box is None:
        return FrameCrop(np.ascontiguousarray(frame), 0, 0)
    x0, y0 = int(np.clip(box[0], 0, max(width - 8, 0))), int(np.clip(box[1], 0, max(height - 8, 0)))
    x1, y1 = int(np.clip(np.ceil(box[2]), x0 + 8, width)), int(np.clip(np.ceil(box[3]), y0 + 8, height))
    return FrameCrop(np.ascontiguousarray(frame[y0:y1, x0:x1]), x0, y0)
