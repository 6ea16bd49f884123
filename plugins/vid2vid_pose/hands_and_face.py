"""Detection of the hands and faces of detected people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import FloatArray, UInt8Array
from vid2vid_pose.backend import MIN_VISIBLE_CONFIDENCE, Box, DetectedPose, FrameCrop, crop_frame
from vid2vid_pose.hand_network import HandNetwork
from vid2vid_pose.hand_tracking import ARM_JOINTS, HandTracker
from vid2vid_pose.mediapipe_tasks import Landmarker, load_user_model
from vid2vid_pose.topology import HEAD_JOINTS, NUM_FACE_POINTS, face_from_mesh, missing_points

FACE_BOX_SCALE = 2.2
"""Side of the square crop of a face, in distances of nose and neck."""


class HandFaceDetector:
    """Tracks the hands of each person, and detects faces with a model that the user provides."""

    def __init__(self, num_people: int, hand_network: HandNetwork | None, face_model: Path | None) -> None:
        """None: no hands, or no faces. Raises: MissingPackageError, MissingWeightsError."""
        self._num_people, self._hand_network = num_people, hand_network
        self._hand_trackers: list[HandTracker] = []
        self._face_landmarker: Landmarker | None = None
        if face_model is not None:
            model_bytes = load_user_model(face_model, "face_model")
            self._face_landmarker = Landmarker(
                "Face", model_bytes, is_video=False, max_results=1, location=str(face_model)
            )
        self.point_names = (
            *(ARM_JOINTS if hand_network is not None else ()),
            *(("face",) if face_model is not None else ()),
        )
        self.reset()

    def add_points(self, frame: UInt8Array, index: int, slot: int, person: DetectedPose) -> DetectedPose:
        """Add hands and face to person number `slot` on frame `index`, the next one; NaN where not detected."""
        body = person.points["body"]
        points = dict(person.points)
        if self._hand_trackers:
            points.update(self._hand_trackers[slot].track(frame, index, body))
        if self._face_landmarker is not None:
            box = face_box(body)
            points["face"] = missing_points(NUM_FACE_POINTS)
            if box is not None and _overlaps_frame(box, frame):
                crop = crop_frame(frame, box)
                for landmarks in self._face_landmarker.detect(crop.image).face_landmarks[:1]:
                    points["face"] = face_from_mesh(_mesh_points(landmarks, crop))
        return DetectedPose(points)

    def reset(self) -> None:
        """Discard the tracked hands: the next frame begins a new shot."""
        if self._hand_network is not None:
            self._hand_trackers = [HandTracker(self._hand_network) for _ in range(self._num_people)]

    def close(self) -> None:
        """Release the networks and stop MediaPipe's threads."""
        if self._face_landmarker is not None:
            self._face_landmarker.close()
        if self._hand_network is not None:
            self._hand_network.close()


def face_box(body: FloatArray) -> Box | None:
    """Square around the head; None if it is not visible."""
    head_joints = body[list(HEAD_JOINTS)]
    visible_points = head_joints[np.nan_to_num(head_joints[:, 2]) >= MIN_VISIBLE_CONFIDENCE, :2]
    side = float(np.nanmax([_joint_distance(body, 0, 1), 1.2 * _joint_distance(body, 17, 18), 0.0]))
    if len(visible_points) < 2 or side <= 0:
        return None
    x, y = visible_points.mean(axis=0)
    half_side = FACE_BOX_SCALE * side / 2
    return float(x - half_side), float(y - half_side), float(x + half_side), float(y + half_side)


def _mesh_points(landmarks: Any, crop: FrameCrop) -> FloatArray:
    """MediaPipe's landmarks as points (n, 3) in pixels of the frame, with confidence 1."""
    positions = crop.to_frame(np.array([(point.x, point.y) for point in landmarks], dtype=np.float32))
    return np.column_stack([positions, np.ones(len(positions))]).astype(np.float32)


def _joint_distance(body: FloatArray, joint_a: int, joint_b: int) -> float:
    return float(np.hypot(*(body[joint_a, :2] - body[joint_b, :2])))


def _overlaps_frame(box: Box, frame: UInt8Array) -> bool:
    height, width = frame.shape[:2]
    return box[0] < width and box[1] < height and box[2] > 0 and box[3] > 0
