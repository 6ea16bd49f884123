"""Where the plugins say that faces, eyes, mouths and hands are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers import synthetic_faces
from plugins.test_densepose import person as iuv_of
from vid2vid_pose.topology import BODY, FACE, HAND, empty

from vid2vid_cli.conditioning import Annotation, Conditioner, View, bounds
from vid2vid_cli.conditioning.registry import load_conditioner

HALF = View.of_box((0.0, 0.0, 320.0, 240.0), 120, 160)
WHOLE = View.of_box((0.0, 0.0, 320.0, 240.0), 240, 320)


def middles(boxes: Any) -> Any:
    return np.round((boxes[:, :2] + boxes[:, 2:]) / 2, 2).tolist()


def boxes(conditioner: Conditioner, one: Annotation, view: View = WHOLE) -> dict[str, Any]:
    found = conditioner.regions(one, view)
    assert tuple(found) == conditioner.offers
    return found


def test_a_box_is_about_points_in_the_picture() -> None:
    points = np.array([[10.0, 20.0], [np.nan, np.nan], [30.0, 4.0]], np.float32)
    assert bounds(points, WHOLE).tolist() == [10.5, 4.5, 30.5, 20.5]
    assert bounds(points, HALF).tolist() == [5.25, 2.25, 15.25, 10.25]
    assert np.isnan(bounds(points[1:2], WHOLE)).all()


def test_a_face_its_eyes_and_its_mouth() -> None:
    """Of a schematic face, 100 pixels from eye to eye, at (160, 100)."""
    points = synthetic_faces.place(synthetic_faces.schematic(), 100.0, 160.0, 100.0)
    landmarks = load_conditioner("landmarks", {})
    found = boxes(landmarks, synthetic_faces.annotation(points))
    left, right = middles(found["eyes"])
    assert left == pytest.approx([125.5, 100.5], abs=1)
    assert right == pytest.approx([195.5, 100.5], abs=1)
    assert middles(found["mouth"])[0] == pytest.approx([160.5, 180.5], abs=3)
    assert found["face"][0].tolist() == bounds(points, WHOLE).tolist()
    half = boxes(landmarks, synthetic_faces.annotation(points), HALF)
    assert all(np.allclose(half[name], found[name] / 2, atol=1e-4) for name in found)
    assert all(np.isnan(found).all() for found in boxes(landmarks, synthetic_faces.annotation(None)).values())


def standing(**parts: Any) -> Annotation:
    """A person whose nose, eyes and ears are at (100, 40), with the right arm stretched out along y = 100."""
    body = empty(BODY)
    body[[0, 15, 16, 17, 18]] = [[100, 40, 1], [95, 35, 1], [105, 35, 1], [90, 45, 1], [110, 45, 1]]
    body[3], body[4], body[7] = [60, 100, 1], [40, 100, 1], [150, 120, 1]
    return Annotation(240, 320, 1.0, {"body": body, **parts})


def test_a_person_whose_joints_alone_are_known() -> None:
    """Eyes, ears and nose are the face; a hand lies beyond the wrist, or at it where there is no elbow."""
    found = boxes(load_conditioner("pose", {}), standing())
    assert middles(found["face"]) == [[100.5, 40.5]]
    # Left hand first: its elbow is not known. The right forearm is 20 long, and the hand 0.35 of it further.
    assert middles(found["hands"]) == [[150.5, 120.5], [33.5, 100.5]]


def test_points_of_face_and_hands_are_better_than_joints() -> None:
    face, hand = empty(FACE), empty(HAND)
    face[10], face[20], hand[3], hand[4] = [80, 20, 1], [90, 40, 1], [7, 8, 1], [9, 9, 0.01]
    one = standing(face=face, right_hand=hand, left_hand=empty(HAND))
    found = boxes(load_conditioner("pose", {}), one)
    assert middles(found["face"]) == [[85.5, 30.5]]
    assert middles(found["hands"]) == [[150.5, 120.5], [7.5, 8.5]]  # what is hardly certain is left out


def test_every_person_has_boxes_and_nobody_has_none() -> None:
    pose = load_conditioner("pose", {"people": "2"})
    one = standing()
    both = replace(one, points={"body": np.concatenate([one.points["body"], empty(BODY)])})
    found = boxes(pose, both)
    assert (len(found["face"]), len(found["hands"])) == (2, 4)
    assert np.isnan(found["face"][1]).all()
    assert np.isnan(found["hands"][2:]).all()
    none = boxes(pose, replace(both, quality=0.0))
    assert (len(none["face"]), len(none["hands"])) == (2, 4)
    assert all(np.isnan(each).all() for each in none.values())


def test_parts_of_a_body() -> None:
    """The head's two halves are one; left out of the condition, it is in the picture all the same."""
    iuv = iuv_of(left=100, top=40, tall=80, height=240, width=320)
    iuv[100:110, 60:70, 0] = 3
    iuv[120:122, 10:12, 0] = 3  # a speck elsewhere
    one = Annotation(240, 320, 1.0, images={"iuv": iuv})
    found = boxes(load_conditioner("densepose", {}), one)
    assert found["face"].tolist() == [[100, 40, 140, 60]]
    assert found["hands"][0].tolist() == [60, 100, 70, 110]
    assert np.isnan(found["hands"][1]).all()
    hidden = boxes(load_conditioner("densepose", {"remove_face": "true"}), one)
    assert hidden["face"].tolist() == found["face"].tolist()
    assert np.isnan(boxes(load_conditioner("densepose", {}), replace(one, quality=0.0))["face"]).all()


def test_who_knows_of_no_regions_offers_none() -> None:
    assert boxes(load_conditioner("edges", {}), Annotation(240, 320, 1.0)) == {}
