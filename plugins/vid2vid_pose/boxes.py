"""Boxes of faces and hands, for region discriminators, and of the people in a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vid2vid_cli.conditioning import Annotation, FloatArray, View, bounding_box
from vid2vid_pose.hand_tracking import ARM_JOINTS, HAND_CENTRE_OFFSET
from vid2vid_pose.topology import HEAD_JOINTS, NUM_BODY_POINTS, NUM_FACE_POINTS, NUM_HAND_POINTS

REGION_NAMES = ("face", "hands")


def face_and_hand_boxes(points: Mapping[str, FloatArray], view: View, min_confidence: float) -> dict[str, FloatArray]:
    """Boxes `face` (p, 4) and `hands` (2 p, 4) of the people in an annotation; NaN if unknown.

    They enclose the points of face and hands if these are present. Otherwise the face box encloses eyes, ears and
    nose, and the hand box is a point on the extension of the forearm. Points of a confidence below `min_confidence`
    are ignored.
    """
    confident_points = {
        name: np.where(rows[:, 2:] >= min_confidence, rows[:, :2], np.nan) for name, rows in points.items()
    }
    bodies = confident_points["body"].reshape(-1, NUM_BODY_POINTS, 2)
    face_boxes, hand_boxes = [], []
    for person, joints in enumerate(bodies):
        face_points = _person_points(confident_points, "face", NUM_FACE_POINTS, person)
        face_boxes.append(bounding_box(face_points if face_points is not None else joints[list(HEAD_JOINTS)], view))
        for name, (elbow, wrist) in ARM_JOINTS.items():
            hand_points = _person_points(confident_points, name, NUM_HAND_POINTS, person)
            hand_boxes.append(
                bounding_box(
                    hand_points if hand_points is not None else _estimate_hand_centre(joints, elbow, wrist), view
                )
            )
    return {"face": np.stack(face_boxes), "hands": np.stack(hand_boxes)}


def _person_points(
    confident_points: Mapping[str, FloatArray], name: str, num_points: int, person: int
) -> FloatArray | None:
    """One person's points of a set; None if they were not detected."""
    person_points = (
        confident_points[name][person * num_points : (person + 1) * num_points]
        if name in confident_points
        else np.empty((0, 2), np.float32)
    )
    return person_points if np.isfinite(person_points).any() else None


def _estimate_hand_centre(joints: FloatArray, elbow: int, wrist: int) -> FloatArray:
    """Estimated centre (1, 2) of a hand: on the extension of the forearm, or the wrist if the elbow is missing."""
    forearm_vector = np.nan_to_num(joints[wrist] - joints[elbow])
    hand_centre: FloatArray = np.asarray(joints[wrist] + HAND_CENTRE_OFFSET * forearm_vector, dtype=np.float32)
    return hand_centre[None]


def subject_box(annotations: Sequence[Annotation]) -> list[float]:
    """Box around the people in a clip, with hair and shoes, in edge coordinates inside the frame."""
    boxes = []
    for annotation in annotations:
        points = np.concatenate([group[:, :2] for group in annotation.points.values()])
        boxes.append([*np.nanmin(points, axis=0), *np.nanmax(points, axis=0)])
    box_min, box_max = np.percentile(boxes, 2, axis=0)[:2] + 0.5, np.percentile(boxes, 98, axis=0)[2:] + 0.5
    person_height = np.median(np.diff(np.asarray(boxes)[:, 1::2]))
    # Margins for hair and shoes: the topmost point may be the nose, the lowest an ankle.
    box_min = box_min - person_height * np.array([0.08, 0.12])
    box_max = box_max + person_height * np.array([0.08, 0.07])
    frame_size = np.array([annotations[0].width, annotations[0].height], dtype=np.float64)
    box_min, box_max = np.clip(box_min, 0, frame_size - 1), np.clip(box_max, 1, frame_size)
    return [round(float(value), 2) for value in (*box_min, *np.maximum(box_max, box_min + 1))]
