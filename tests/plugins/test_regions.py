"""Region boxes of all plugins: faces, eyes, mouths and hands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers import synthetic_faces
from plugins.test_densepose import make_iuv
from vid2vid_pose.topology import NUM_BODY_POINTS, NUM_FACE_POINTS, NUM_HAND_POINTS, missing_points

from vid2vid_cli.conditioning import Annotation, Conditioner, View, bounding_box
from vid2vid_cli.conditioning.registry import load_conditioner

HALF_VIEW = View.from_box((0.0, 0.0, 320.0, 240.0), 120, 160)
FULL_VIEW = View.from_box((0.0, 0.0, 320.0, 240.0), 240, 320)


def box_centres(boxes: Any) -> Any:
    return np.round((boxes[:, :2] + boxes[:, 2:]) / 2, 2).tolist()


def region_boxes(conditioner: Conditioner, annotation: Annotation, view: View = FULL_VIEW) -> dict[str, Any]:
    boxes = conditioner.region_boxes(annotation, view)
    assert tuple(boxes) == conditioner.region_names
    return boxes


def test_bounding_box_encloses_points_in_the_view() -> None:
    points = np.array([[10.0, 20.0], [np.nan, np.nan], [30.0, 4.0]], np.float32)
    assert bounding_box(points, FULL_VIEW).tolist() == [10.5, 4.5, 30.5, 20.5]
    assert bounding_box(points, HALF_VIEW).tolist() == [5.25, 2.25, 15.25, 10.25]
    assert np.isnan(bounding_box(points[1:2], FULL_VIEW)).all()


def test_landmarks_give_boxes_of_face_eyes_and_mouth() -> None:
    """A schematic face at (160, 100) with an eye distance of 100 pixels."""
    points = synthetic_faces.place_face(synthetic_faces.schematic_face(), 100.0, 160.0, 100.0)
    landmarks = load_conditioner("landmarks", {})
    boxes = region_boxes(landmarks, synthetic_faces.face_annotation(points))
    left, right = box_centres(boxes["eyes"])
    assert left == pytest.approx([125.5, 100.5], abs=1)
    assert right == pytest.approx([195.5, 100.5], abs=1)
    assert box_centres(boxes["mouth"])[0] == pytest.approx([160.5, 180.5], abs=3)
    assert boxes["face"][0].tolist() == bounding_box(points, FULL_VIEW).tolist()
    half_boxes = region_boxes(landmarks, synthetic_faces.face_annotation(points), HALF_VIEW)
    assert all(np.allclose(half_boxes[name], boxes[name] / 2, atol=1e-4) for name in boxes)
    assert all(
        np.isnan(boxes).all() for boxes in region_boxes(landmarks, synthetic_faces.face_annotation(None)).values()
    )


def make_pose_annotation(**parts: Any) -> Annotation:
    """A person with nose, eyes and ears around (100, 40) and the right arm stretched out along y = 100."""
    body = missing_points(NUM_BODY_POINTS)
    body[[0, 15, 16, 17, 18]] = [[100, 40, 1], [95, 35, 1], [105, 35, 1], [90, 45, 1], [110, 45, 1]]
    body[3], body[4], body[7] = [60, 100, 1], [40, 100, 1], [150, 120, 1]
    return Annotation(240, 320, 1.0, {"body": body, **parts})


def test_pose_estimates_boxes_from_joints() -> None:
    """Eyes, ears and nose give the face; a hand lies beyond the wrist, or at it if the elbow is missing."""
    boxes = region_boxes(load_conditioner("pose", {}), make_pose_annotation())
    assert box_centres(boxes["face"]) == [[100.5, 40.5]]
    # Left hand first: its elbow is missing. The right forearm is 20 pixels long; the hand is 0.35 of that beyond it.
    assert box_centres(boxes["hands"]) == [[150.5, 120.5], [33.5, 100.5]]


def test_pose_prefers_points_of_face_and_hands() -> None:
    face, hand = missing_points(NUM_FACE_POINTS), missing_points(NUM_HAND_POINTS)
    face[10], face[20], hand[3], hand[4] = [80, 20, 1], [90, 40, 1], [7, 8, 1], [9, 9, 0.01]
    annotation = make_pose_annotation(face=face, right_hand=hand, left_hand=missing_points(NUM_HAND_POINTS))
    boxes = region_boxes(load_conditioner("pose", {}), annotation)
    assert box_centres(boxes["face"]) == [[85.5, 30.5]]
    assert box_centres(boxes["hands"]) == [[150.5, 120.5], [7.5, 8.5]]  # the point of confidence 0.01 is ignored


def test_pose_gives_boxes_for_each_person() -> None:
    pose = load_conditioner("pose", {"num_people": "2"})
    annotation = make_pose_annotation()
    two_people = replace(
        annotation, points={"body": np.concatenate([annotation.points["body"], missing_points(NUM_BODY_POINTS)])}
    )
    boxes = region_boxes(pose, two_people)
    assert (len(boxes["face"]), len(boxes["hands"])) == (2, 4)
    assert np.isnan(boxes["face"][1]).all()
    assert np.isnan(boxes["hands"][2:]).all()
    empty_boxes = region_boxes(pose, replace(two_people, quality=0.0))
    assert (len(empty_boxes["face"]), len(empty_boxes["hands"])) == (2, 4)
    assert all(np.isnan(box_array).all() for box_array in empty_boxes.values())


def test_densepose_gives_boxes_of_face_and_hands() -> None:
    """The face joins both halves of the head; it is not affected by `remove_face`."""
    iuv = make_iuv(left=100, top=40, size=80, height=240, width=320)
    iuv[100:110, 60:70, 0] = 3
    iuv[120:122, 10:12, 0] = 3  # a few wrong pixels elsewhere
    annotation = Annotation(240, 320, 1.0, images={"iuv": iuv})
    boxes = region_boxes(load_conditioner("densepose", {}), annotation)
    assert boxes["face"].tolist() == [[100, 40, 140, 60]]
    assert boxes["hands"][0].tolist() == [60, 100, 70, 110]
    assert np.isnan(boxes["hands"][1]).all()
    boxes_without_face = region_boxes(load_conditioner("densepose", {"remove_face": "true"}), annotation)
    assert boxes_without_face["face"].tolist() == boxes["face"].tolist()
    assert np.isnan(region_boxes(load_conditioner("densepose", {}), replace(annotation, quality=0.0))["face"]).all()


def test_edges_have_no_regions() -> None:
    assert region_boxes(load_conditioner("edges", {}), Annotation(240, 320, 1.0)) == {}
