"""Conversion of other models' points to OpenPose's."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.synthetic_people import face_keypoints, hand_keypoints, person_keypoints
from vid2vid_landmarks.topology import points_from_mesh as landmarks_points_from_mesh
from vid2vid_pose.topology import (
    COCO_18_JOINTS,
    body_from_coco_18,
    body_from_mediapipe,
    face_from_mesh,
    points_from_top_down,
)


def test_mediapipe_points_convert_to_body_25() -> None:
    points = np.column_stack([np.arange(33), 2 * np.arange(33), np.linspace(0.5, 1, 33)])
    body = body_from_mediapipe(points)
    assert body[1].tolist() == pytest.approx([11.5, 23, points[11, 2]])
    assert body[8].tolist() == pytest.approx([23.5, 47, points[23, 2]])
    assert body[[0, 2, 4, 7, 9, 11, 14, 15, 16, 17, 18, 19, 21, 22, 24], 0].tolist() == [
        0, 12, 16, 15, 24, 28, 27, 5, 2, 8, 7, 31, 29, 32, 30,
    ]  # fmt: skip
    assert np.isnan(body[[20, 23]]).all()


def test_conversions_of_all_formats_agree() -> None:
    body = person_keypoints()
    coco = body[[0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]]
    np.testing.assert_allclose(points_from_top_down(coco)["body"][:19], body[:19], atol=1e-4)
    halpe = np.vstack([coco, body[[0, 1, 8, 19, 22, 20, 23, 21, 24]]])
    np.testing.assert_allclose(points_from_top_down(halpe)["body"], body, atol=1e-4)
    left, right = hand_keypoints(10, 20), hand_keypoints(30, 40)
    points_133 = np.vstack([coco, body[[19, 20, 21, 22, 23, 24]], face_keypoints(160, 30)[:68], left, right])
    person_133 = points_from_top_down(points_133)
    np.testing.assert_allclose(person_133["body"], body, atol=1e-4)
    np.testing.assert_allclose(person_133["left_hand"], left)
    np.testing.assert_allclose(person_133["right_hand"], right)
    np.testing.assert_allclose(person_133["face"], face_keypoints(160, 30), atol=0.1)
    np.testing.assert_allclose(body_from_coco_18(body[list(COCO_18_JOINTS)])[:19], body[:19], atol=1e-4)


def test_mesh_table_equals_that_of_the_landmarks_plugin() -> None:
    mesh = np.random.default_rng(0).uniform(0, 100, (478, 3))
    np.testing.assert_allclose(face_from_mesh(mesh)[:68, :2], landmarks_points_from_mesh(mesh), atol=1e-4)
