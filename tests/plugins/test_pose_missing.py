"""Retargeting with missing joints, people or statistics."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.retargeting import (
    ANKLE_JOINTS,
    MOTIONS,
    SOURCE_CAMERA,
    TARGET_CAMERA,
    BodyRetargeter,
    measure_statistics,
    retarget_joints,
)
from helpers.synthetic_bodies import (
    ADULT,
    CHILD,
    LANKY,
    annotations_from_joints,
    dance_motion,
    project_motion,
    walk_motion,
)


def test_missing_joints_stay_missing_and_the_rest_stays_in_place() -> None:
    source = project_motion(dance_motion(100, (0, 0)), ADULT, SOURCE_CAMERA)
    target = project_motion(dance_motion(100, (0, 0)), LANKY, TARGET_CAMERA)
    source_stats, target_stats = measure_statistics(source, SOURCE_CAMERA), measure_statistics(target, TARGET_CAMERA)
    source = source[:40]
    complete_result = retarget_joints(source, source_stats, target_stats)
    legs = [9, 10, 11, 12, 13, 14, 19, 20, 21, 22, 23, 24]
    cases = [([8], 0.001), ([8, *legs], 0.03), ([11], 0.03), ([11, 14], 0.05), ([3], 0.05), ([10], 0.05)]
    cases += [([1], 0.1), ([8, 9, 12], 0.1), ([1, 8, 9, 12], 0.15), ([0, 1, 8, 9, 12], 0.15)]
    for missing_joints, limit in cases:
        incomplete_source = source.copy()
        incomplete_source[:, missing_joints] = np.nan
        result = retarget_joints(incomplete_source, source_stats, target_stats)
        present_joints = [joint for joint in range(25) if joint not in missing_joints]
        assert np.isnan(result[:, missing_joints]).all()
        deviations = (
            np.linalg.norm(result[:, present_joints] - complete_result[:, present_joints], axis=-1)
            / target_stats["ground"]["middle"]["height"]
        )
        assert np.median(deviations) < 0.03, missing_joints
        assert deviations.max() < limit, missing_joints


def test_intermittent_ankles_do_not_shake_the_body() -> None:
    source = project_motion(MOTIONS["approaching"], ADULT, SOURCE_CAMERA)
    source_stats = measure_statistics(source, SOURCE_CAMERA)
    target_stats = measure_statistics(project_motion(dance_motion(200, (0, 0)), CHILD, TARGET_CAMERA), TARGET_CAMERA)
    complete_result = retarget_joints(source, source_stats, target_stats)
    rng = np.random.default_rng(3)
    incomplete_source = source.copy()
    for ankle in ANKLE_JOINTS:
        incomplete_source[rng.random(len(incomplete_source)) < 0.2, ankle] = np.nan
    incomplete_source[50:70, ANKLE_JOINTS] = np.nan
    result = retarget_joints(incomplete_source, source_stats, target_stats)
    accelerations = (
        np.linalg.norm(np.diff(result[:, 8], 2, axis=0), axis=-1) / target_stats["ground"]["middle"]["height"]
    )
    complete_accelerations = (
        np.linalg.norm(np.diff(complete_result[:, 8], 2, axis=0), axis=-1) / target_stats["ground"]["middle"]["height"]
    )
    assert accelerations.max() < complete_accelerations.max() + 0.02
    deviations = (
        np.linalg.norm(result[:, 8] - complete_result[:, 8], axis=-1) / target_stats["ground"]["middle"]["height"]
    )
    assert deviations.max() < 0.08


@pytest.mark.parametrize("cut_at", ["hips", "chest"])
def test_upper_bodies_are_retargeted_without_feet(cut_at: str) -> None:
    """Both bodies are cut off, so the heights come from an adult's proportions."""
    source = project_motion(dance_motion(100, (0, 0)), ADULT, SOURCE_CAMERA)
    target = project_motion(dance_motion(100, (0, 0)), CHILD, TARGET_CAMERA)
    missing_joints = [9, 10, 11, 12, 13, 14, 19, 20, 21, 22, 23, 24, *([8] if cut_at == "chest" else [])]
    source[:, missing_joints], target[:, missing_joints] = np.nan, np.nan
    source_stats, target_stats = measure_statistics(source, SOURCE_CAMERA), measure_statistics(target, TARGET_CAMERA)
    result = retarget_joints(source, source_stats, target_stats)
    result_stats = measure_statistics(result, TARGET_CAMERA, 0)
    for name in ("head", "upper_arm", "shoulder"):
        assert result_stats["limb_lengths"][name] == pytest.approx(target_stats["limb_lengths"][name], rel=0.05)
    assert result_stats["hip_range"]["x"] == pytest.approx(target_stats["hip_range"]["x"], abs=4)
    deviations = np.linalg.norm(result[:, 1] - target[:, 1], axis=-1) / np.linalg.norm(
        target[:, 1] - target[:, 0], axis=-1
    )
    assert np.median(deviations) < 0.3  # in neck lengths


def test_long_gap_discards_the_state() -> None:
    source = project_motion(walk_motion(200, (0.3, 3), (-0.6, -4)), ADULT, SOURCE_CAMERA)
    source_stats = measure_statistics(source, SOURCE_CAMERA)
    target_stats = measure_statistics(project_motion(dance_motion(100, (0, 0)), CHILD, TARGET_CAMERA), TARGET_CAMERA)
    complete_result = retarget_joints(source, source_stats, target_stats)
    for gap_length, restarts in ((3, False), (20, True)):
        incomplete_source = source.copy()
        incomplete_source[70 : 70 + gap_length] = np.nan
        result = retarget_joints(incomplete_source, source_stats, target_stats)
        assert np.isnan(result[70 : 70 + gap_length]).all()
        after_gap = slice(70 + gap_length, None)
        restarted_result = retarget_joints(source[after_gap], source_stats, target_stats)
        assert np.allclose(result[after_gap], restarted_result, atol=1e-3) is restarts
        if not restarts:
            assert (
                np.abs(result[after_gap] - complete_result[after_gap]).max()
                < 0.06 * target_stats["ground"]["middle"]["height"]
            )


def test_cut_discards_the_state() -> None:
    source = project_motion(walk_motion(200, (0.3, 3), (-0.6, -4)), ADULT, SOURCE_CAMERA)
    source_stats = measure_statistics(source, SOURCE_CAMERA)
    target_stats = measure_statistics(project_motion(dance_motion(100, (0, 0)), CHILD, TARGET_CAMERA), TARGET_CAMERA)
    shifted_clip = source[20:60] - [250, 0]
    centre = source[180].mean(axis=0)
    smaller_clip = centre + 0.6 * (source[181:] - centre)  # at the same position in the image, but smaller
    for second_shot in (shifted_clip, smaller_clip):
        cut_clip = np.concatenate([source[150:181], second_shot])
        np.testing.assert_allclose(
            retarget_joints(cut_clip, source_stats, target_stats)[31:],
            retarget_joints(second_shot, source_stats, target_stats),
            atol=1e-3,
        )


@pytest.mark.parametrize("side", ["source", "target"])
def test_points_are_unchanged_without_statistics(side: str) -> None:
    bodies = project_motion(dance_motion(10, (0, 0)), ADULT, SOURCE_CAMERA)
    statistics = measure_statistics(bodies, SOURCE_CAMERA)
    retargeter = BodyRetargeter({}, statistics) if side == "source" else BodyRetargeter(statistics, {})
    points = annotations_from_joints(bodies, SOURCE_CAMERA)[0].points
    np.testing.assert_array_equal(retargeter(points)["body"], points["body"])
