"""Boxes of hands and faces, and the conversion of MediaPipe's hand results."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_people import hand_keypoints, person_keypoints
from vid2vid_pose.backend import DetectedPose
from vid2vid_pose.hands_and_face import HandFaceDetector, face_box, hand_box, nearest_hand

from vid2vid_cli.conditioning import UInt8Array


def test_hand_box_lies_beyond_the_wrist() -> None:
    body = person_keypoints(160, 30, 200)
    box_and_forearm = hand_box(body, 3, 4)
    assert box_and_forearm is not None
    (x0, y0, x1, y1), forearm = box_and_forearm
    assert forearm == pytest.approx(33, abs=1)
    assert x0 < body[4, 0] < x1
    assert (y0 + y1) / 2 > body[4, 1] + 5
    body[4] = np.nan
    assert hand_box(body, 3, 4) is None
    foreshortened = person_keypoints(160, 30, 200)
    foreshortened[4, :2] = foreshortened[3, :2] + 2
    foreshortened_box = hand_box(foreshortened, 3, 4)
    assert foreshortened_box is not None
    assert foreshortened_box[0][2] - foreshortened_box[0][0] > 40


def test_nearest_hand_respects_the_maximum_distance() -> None:
    hands = [hand_keypoints(100, 100), hand_keypoints(160, 100)]
    np.testing.assert_array_equal(nearest_hand(hands, np.array([155, 98]), 20), hands[1])
    assert np.isnan(nearest_hand(hands, np.array([130, 98]), 20)).all()
    assert np.isnan(nearest_hand([], np.array([130, 98]), 20)).all()


def test_add_points_converts_hand_results_to_frame_pixels() -> None:
    """A stub landmarker returns a hand in coordinates relative to the crop."""
    image_shapes: list[tuple[int, ...]] = []

    class Landmarker:
        def detect(self, image: UInt8Array) -> Any:
            image_shapes.append(image.shape)
            landmarks = [SimpleNamespace(x=0.5, y=0.25 + 0.02 * i) for i in range(21)]
            return SimpleNamespace(hand_landmarks=[landmarks], handedness=[[SimpleNamespace(score=0.9)]])

        def close(self) -> None:
            image_shapes.clear()

    detector = HandFaceDetector(None, None)
    detector._hand_landmarker = Landmarker()  # type: ignore[assignment]
    body = person_keypoints(160, 30, 200)
    body[7] = np.nan
    points = detector.add_points(np.zeros((300, 320, 3), np.uint8), DetectedPose({"body": body})).points
    assert np.isnan(points["left_hand"]).all()
    box, forearm = hand_box(body, 3, 4) or ((0, 0, 0, 0), 0)
    assert image_shapes == [pytest.approx((1.8 * forearm, 1.8 * forearm, 3), abs=2)]
    assert points["right_hand"][0] == pytest.approx(
        [(box[0] + box[2]) / 2, box[1] + 0.25 * 1.8 * forearm, 0.9], abs=1.5
    )
    assert np.ptp(points["right_hand"][:, 1]) == pytest.approx(0.4 * 1.8 * forearm, abs=1)


def test_face_box_surrounds_the_head() -> None:
    body = person_keypoints(160, 60, 200)
    x0, y0, x1, y1 = face_box(body) or (0, 0, 0, 0)
    assert (x0 + x1) / 2 == pytest.approx(160, abs=1)
    assert y0 < 40
    assert y1 > 75
    body[[0, 15, 16, 17, 18]] = np.nan
    assert face_box(body) is None
