"""Retargeting of the pose plugin on footage and joints of real people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.retargeting import (
    ANKLE_JOINTS,
    MAIN_BONES,
    SOURCE_CAMERA,
    TARGET_CAMERA,
    joint_accelerations,
    joint_speeds,
    measure_statistics,
    pose_statistics,
    retarget_joints,
)
from helpers.synthetic_bodies import (
    LANKY,
    dance_motion,
    project_motion,
)

from vid2vid_cli.conditioning import Annotation, VideoReader, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner


def read_openpose_annotations(folder: Path) -> list[Annotation]:
    frames = []
    for path in sorted(folder.glob("*.json")):
        person = json.loads(path.read_text())["people"][0]
        body = np.array(person["pose_keypoints_2d"], dtype=np.float32).reshape(25, 3)
        body[body[:, 2] <= 0, :2] = np.nan
        frames.append(Annotation(1080, 1920, 1.0, {"body": body}))
    return frames


@pytest.fixture(scope="module")
def dancer(shared_data: Path) -> list[Annotation]:
    """A second of a dancing woman, annotated by the plugin."""
    pytest.importorskip("mediapipe")
    reader = VideoReader(shared_data / "pose" / "dancing_woman.mp4", size=(540, 360), max_frames=30)
    return list(load_conditioner("pose").annotate(detect_cuts(iter(reader))))


def test_real_dancer_retargets_to_herself_at_another_position(dancer: list[Annotation]) -> None:
    expected = []
    for annotation in dancer:
        body = annotation.points["body"].copy()
        body[:, :2] = 0.6 * body[:, :2] + [70, 120]
        expected.append(Annotation(annotation.height, annotation.width, annotation.quality, {"body": body}))
    conditioner = load_conditioner("pose")
    result = list(conditioner.retarget(dancer, conditioner.statistics(dancer), conditioner.statistics(expected)))
    for annotation, expected_annotation in zip(result, expected, strict=True):
        np.testing.assert_allclose(annotation.points["body"], expected_annotation.points["body"], atol=0.05)


def test_real_dancer_retargets_to_another_real_person(shared_data: Path, dancer: list[Annotation]) -> None:
    folder = shared_data / "pose" / "openpose_densepose_5frames" / "poses-openpose" / "001_001"
    conditioner, target = load_conditioner("pose"), read_openpose_annotations(folder)
    source_stats, target_stats = conditioner.statistics(dancer), conditioner.statistics(target)
    result = list(conditioner.retarget(dancer, source_stats, target_stats))
    result_stats = conditioner.statistics(result)
    for name in MAIN_BONES:
        assert result_stats["limb_lengths"][name] == pytest.approx(target_stats["limb_lengths"][name], rel=0.05), name
    source_bodies = np.stack([annotation.points["body"][:, :2] for annotation in dancer])
    result_bodies = np.stack([annotation.points["body"][:, :2] for annotation in result])
    source_speeds = joint_speeds(source_bodies, ANKLE_JOINTS, source_stats)
    result_speeds = joint_speeds(result_bodies, ANKLE_JOINTS, target_stats)
    is_standing = source_speeds < 0.004
    assert is_standing.mean() > 0.3
    assert result_speeds[is_standing].mean() <= 1.02 * source_speeds[is_standing].mean()
    source_acceleration = np.nanmean(joint_accelerations(source_bodies, source_stats))
    assert np.nanmean(joint_accelerations(result_bodies, target_stats)) <= 1.1 * source_acceleration


def test_real_target_gives_its_limb_lengths(shared_data: Path) -> None:
    folder = shared_data / "pose" / "openpose_densepose_5frames" / "poses-openpose" / "001_001"
    target = read_openpose_annotations(folder)
    source = project_motion(dance_motion(200, (0, 0)), LANKY, SOURCE_CAMERA)
    source_stats, target_stats = measure_statistics(source, SOURCE_CAMERA), pose_statistics(target)
    result_stats = measure_statistics(retarget_joints(source, source_stats, target_stats), TARGET_CAMERA, 0)
    for name in MAIN_BONES:
        assert result_stats["limb_lengths"][name] == pytest.approx(target_stats["limb_lengths"][name], rel=0.05), name
