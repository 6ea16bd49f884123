"""Detection of hands and faces of detected people, with MediaPipe models that the user provides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, UInt8Array
from vid2vid_pose.backend import MIN_VISIBLE_CONFIDENCE, Box, DetectedPose, FrameCrop, crop_frame
from vid2vid_pose.mediapipe_tasks import Landmarker, load_user_model
from vid2vid_pose.topology import HEAD_JOINTS, NUM_FACE_POINTS, NUM_HAND_POINTS, face_from_mesh, missing_points

ARM_JOINTS = {"left_hand": (6, 7), "right_hand": (3, 4)}
"""Elbow and wrist."""
FOREARM_PER_TORSO = 0.5
"""Minimum forearm length in torso lengths, for foreshortened forearms."""
HAND_CENTRE_OFFSET = 0.35
"""Distance of the hand's centre from the wrist in forearm lengths."""
HAND_BOX_SCALE, FACE_BOX_SCALE = 1.8, 2.2
"""Sides of the square crops, in forearm lengths and in distances of nose and neck."""
MAX_WRIST_DISTANCE = 0.6
"""Maximum distance of the hand's wrist from the body's, in forearm lengths."""


class HandFaceDetector:
    """Landmarkers for hands and for the face, each if its model is set."""

    def __init__(self, hands_model: Path | None, face_model: Path | None) -> None:
        """Raises: MissingPackageError, MissingWeightsError."""
        self._hand_landmarker: Landmarker | None = None
        self._face_landmarker: Landmarker | None = None
        if hands_model is not None:
            model_bytes = load_user_model(hands_model, "hands_model")
            self._hand_landmarker = Landmarker(
                "Hand", model_bytes, is_video=False, max_results=2, location=str(hands_model)
            )
        if face_model is not None:
            model_bytes = load_user_model(face_model, "face_model")
            self._face_landmarker = Landmarker(
                "Face", model_bytes, is_video=False, max_results=1, location=str(face_model)
            )
        self.point_names = (
            *(ARM_JOINTS if hands_model is not None else ()),
            *(("face",) if face_model is not None else ()),
        )

    def add_points(self, frame: UInt8Array, person: DetectedPose) -> DetectedPose:
        """Add the points of hands and face to a person; NaN where they are not detected."""
        body = person.points["body"]
        points = dict(person.points)
        if self._hand_landmarker is not None:
            for name, (elbow, wrist) in ARM_JOINTS.items():
                points[name] = self._detect_hand(self._hand_landmarker, frame, body, elbow, wrist)
        if self._face_landmarker is not None:
            box = face_box(body)
            points["face"] = missing_points(NUM_FACE_POINTS)
            if box is not None and _overlaps_frame(box, frame):
                crop = crop_frame(frame, box)
                for landmarks in self._face_landmarker.detect(crop.image).face_landmarks[:1]:
                    points["face"] = face_from_mesh(_landmark_points(landmarks, crop, 1.0))
        return DetectedPose(points)

    def _detect_hand(
        self, landmarker: Landmarker, frame: UInt8Array, body: FloatArray, elbow: int, wrist: int
    ) -> FloatArray:
        box_and_forearm = hand_box(body, elbow, wrist)
        if box_and_forearm is None or not _overlaps_frame(box_and_forearm[0], frame):
            return missing_points(NUM_HAND_POINTS)
        crop = crop_frame(frame, box_and_forearm[0])
        result = landmarker.detect(crop.image)
        scores = [sides[0].score for sides in result.handedness]
        candidates = [
            _landmark_points(landmarks, crop, score)
            for landmarks, score in zip(result.hand_landmarks, scores, strict=True)
        ]
        return nearest_hand(candidates, body[wrist, :2], MAX_WRIST_DISTANCE * box_and_forearm[1])

    def close(self) -> None:
        """Stop MediaPipe's threads."""
        for landmarker in (self._hand_landmarker, self._face_landmarker):
            if landmarker is not None:
                landmarker.close()


def hand_box(body: FloatArray, elbow: int, wrist: int) -> tuple[Box, float] | None:
    """Square around a hand, and the forearm length in pixels; None if the wrist is not visible."""
    if not _is_visible(body, wrist):
        return None
    forearm = FOREARM_PER_TORSO * _joint_distance(body, 1, 8)
    centre_offset: NDArray[Any] = np.zeros(2)
    if _is_visible(body, elbow):
        forearm_vector = body[wrist, :2] - body[elbow, :2]
        forearm = float(np.nanmax([forearm, np.hypot(*forearm_vector)]))
        centre_offset = HAND_CENTRE_OFFSET * forearm_vector
    if not forearm > 0:
        return None
    x, y = body[wrist, :2] + centre_offset
    half_side = HAND_BOX_SCALE * forearm / 2
    return (float(x - half_side), float(y - half_side), float(x + half_side), float(y + half_side)), forearm


def nearest_hand(candidates: list[FloatArray], wrist: NDArray[Any], max_distance: float) -> FloatArray:
    """The hand (21, 3) whose wrist is nearest to `wrist`, within `max_distance` pixels; NaN if there is none."""
    distances = [float(np.hypot(*(hand[0, :2] - wrist))) for hand in candidates]
    nearest_index = min(range(len(candidates)), key=distances.__getitem__, default=None)
    return (
        missing_points(NUM_HAND_POINTS)
        if nearest_index is None or distances[nearest_index] > max_distance
        else candidates[nearest_index]
    )


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


def _landmark_points(landmarks: Any, crop: FrameCrop, confidence: float) -> FloatArray:
    """MediaPipe's landmarks as points (n, 3) in pixels of the frame."""
    positions = crop.to_frame(np.array([(point.x, point.y) for point in landmarks], dtype=np.float32))
    return np.column_stack([positions, np.full(len(positions), confidence)]).astype(np.float32)


def _is_visible(body: FloatArray, joint: int) -> bool:
    return bool(np.nan_to_num(body[joint, 2]) >= MIN_VISIBLE_CONFIDENCE)


def _joint_distance(body: FloatArray, joint_a: int, joint_b: int) -> float:
    return float(np.hypot(*(body[joint_a, :2] - body[joint_b, :2])))


def _overlaps_frame(box: Box, frame: UInt8Array) -> bool:
    height, width = frame.shape[:2]
    return box[0] < width and box[1] < height and box[2] > 0 and box[3] > 0
