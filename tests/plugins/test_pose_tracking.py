"""Tracking, smoothing and scores of the pose plugin, without a detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_people import person_keypoints
from vid2vid_pose.backend import DetectedPose, PoseBackend, missing_body_parts, pose_score
from vid2vid_pose.tracking import PoseSmoother, PoseTracker

from vid2vid_cli.conditioning import Annotation, UInt8Array, VideoFrame
from vid2vid_cli.conditioning.combine import describe_missing_parts
from vid2vid_cli.conditioning.registry import load_conditioner


class ScriptedBackend(PoseBackend):
    """Returns given people."""

    default_smoothing = 0.0

    def __init__(self, frames: Sequence[Sequence[DetectedPose]]) -> None:
        self.frames, self.num_tracked_boxes, self.num_resets = frames, list[int](), 0

    def detect_people(self, frame: UInt8Array, index: int, tracked_boxes: Sequence[Any]) -> list[DetectedPose]:
        self.num_tracked_boxes.append(len(tracked_boxes))
        return list(self.frames[index])

    def reset(self) -> None:
        self.num_resets += 1


def test_pose_score_is_confidence_times_share_of_joints() -> None:
    body = person_keypoints(confidence=0.8)
    assert pose_score(body) == pytest.approx(0.8)
    body[[3, 4, 10]] = np.nan
    assert pose_score(body) == pytest.approx(0.8 * 12 / 15)
    assert pose_score(np.full((25, 3), np.nan, np.float32)) == 0.0


def test_missing_body_parts_names_parts_without_joints() -> None:
    body = person_keypoints(confidence=0.8)
    assert missing_body_parts(body) == ()
    body[[3, 4, 10, 11]] = np.nan
    assert missing_body_parts(body) == ("right arm", "right leg")
    body[[13, 14], 2] = 0.01
    assert missing_body_parts(body) == ("right arm", "right leg", "left leg")
    absent = np.full((25, 3), np.nan, np.float32)
    assert missing_body_parts(np.concatenate([body, absent])) == ("right arm", "right leg", "left leg")


def test_describe_missing_parts_reports_bodies_that_are_mostly_missing() -> None:
    body, face_only = person_keypoints(), np.full((25, 3), np.nan, np.float32)
    face_only[[0, 15, 16]] = body[[0, 15, 16]]
    whole, part = (Annotation(240, 320, 0.5, {"body": points}) for points in (body, face_only))
    empty = Annotation(240, 320, 0.0, {"body": np.full((25, 3), np.nan, np.float32)})
    pose = load_conditioner("pose")
    assert describe_missing_parts(pose, [whole, whole, part, empty, empty]) == ""
    expected = "torso, right arm, left arm, right leg, left leg"
    assert describe_missing_parts(pose, [whole, part, part, part, empty]) == expected
    assert describe_missing_parts(pose, [empty]) == ""


def test_tracker_passes_tracked_boxes_until_a_cut() -> None:
    first_scene, second_scene = (
        np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    )
    people = [DetectedPose({"body": person_keypoints(60, 10, 100)})]
    backend = ScriptedBackend([people] * 30 + [[]] * 3 + [people] * 2)
    tracker = PoseTracker(backend, person="largest", num_people=1, smoothing=None)
    frames = [VideoFrame(first_scene)] * 33 + [VideoFrame(second_scene, is_cut=True)]
    is_detected = [tracker.annotate(frame).quality > 0 for frame in frames]
    assert is_detected == [True] * 30 + [False] * 3 + [True]
    assert backend.num_tracked_boxes == [0] + [1] * 32 + [0]
    assert backend.num_resets == 1


def test_smoother_removes_jitter_and_preserves_fast_motion() -> None:
    rng, smoother, clean_body = np.random.default_rng(0), PoseSmoother(0.006), person_keypoints(height=200)
    noise = np.pad(rng.normal(0, 0.5, (60, 25, 2)), ((0, 0), (0, 0), (0, 1)))
    noisy = (clean_body + noise).astype(np.float32)
    smoothed = np.stack([smoother(DetectedPose({"body": body})).points["body"] for body in noisy])
    steps = [np.abs(np.diff(points[10:, :, :2], axis=0)).mean() for points in (noisy, smoothed)]
    assert steps[1] < 0.5 * steps[0]
    moved_body = clean_body.copy()
    moved_body[[3, 4], 0] -= 40
    smoothed_body = smoother(DetectedPose({"body": moved_body})).points["body"]
    np.testing.assert_allclose(smoothed_body[[3, 4], 0], moved_body[[3, 4], 0], atol=1.5)
    np.testing.assert_allclose(smoothed_body[[6, 7], :2], clean_body[[6, 7], :2], atol=1.5)


def test_smoother_handles_points_that_appear_and_disappear() -> None:
    smoother, body = PoseSmoother(0.01), person_keypoints()
    incomplete_body = body.copy()
    incomplete_body[4] = np.nan
    smoother(DetectedPose({"body": body}))
    assert np.isnan(smoother(DetectedPose({"body": incomplete_body})).points["body"][4]).all()
    moved_body = body + np.float32([0.5, 0, 0])
    smoothed_body = smoother(DetectedPose({"body": moved_body})).points["body"]
    np.testing.assert_array_equal(smoothed_body[4], moved_body[4])
    assert not np.array_equal(smoothed_body[3], moved_body[3])
