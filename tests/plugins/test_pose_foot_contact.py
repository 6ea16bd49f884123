"""Ground contact of retargeted bodies: standing feet, jumps and depth, measured on synthetic bodies."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.retargeting import (
    ANKLE_JOINTS,
    BODY_PAIRS,
    BODY_TYPES,
    JUMP_STARTS,
    MAIN_BONES,
    MOTIONS,
    SOURCE_CAMERA,
    TARGET_CAMERA,
    body_heights,
    bone_lengths,
    joint_accelerations,
    joint_speeds,
    measure_statistics,
    retarget_joints,
)
from helpers.synthetic_bodies import ADULT, CHILD, LANKY, dance_motion, project_motion, walk_motion


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize(("source_type", "target_type"), BODY_PAIRS)
def test_standing_feet_do_not_move(name: str, source_type: str, target_type: str) -> None:
    """The target stays at one depth, whatever the source does."""
    source = project_motion(MOTIONS[name], BODY_TYPES[source_type], SOURCE_CAMERA)
    target_stats = measure_statistics(
        project_motion(dance_motion(200, (0, 0)), BODY_TYPES[target_type], TARGET_CAMERA), TARGET_CAMERA
    )
    source_stats = measure_statistics(source, SOURCE_CAMERA)
    result = retarget_joints(source, source_stats, target_stats)
    is_standing = joint_speeds(source, ANKLE_JOINTS, source_stats) < 1e-6
    assert is_standing.mean() > 0.4
    assert joint_speeds(result, ANKLE_JOINTS, target_stats)[is_standing].max() < 1e-5
    result_lengths = measure_statistics(result, TARGET_CAMERA)["limb_lengths"]
    assert (
        max(abs(result_lengths[limb] / target_stats["limb_lengths"][limb] - 1) for limb in ("torso", "thigh", "shin"))
        < 0.05
    )


def test_sliding_feet_slide_no_farther_on_longer_legs() -> None:
    source = project_motion(dance_motion(60, (0, 0)), ADULT, SOURCE_CAMERA)[30:31].repeat(60, axis=0)
    source[:, :, 0] += 0.8 * np.arange(60)[:, None]
    source_stats = measure_statistics(project_motion(dance_motion(200, (0, 0)), ADULT, SOURCE_CAMERA), SOURCE_CAMERA)
    target_stats = measure_statistics(project_motion(dance_motion(200, (0, 0)), LANKY, TARGET_CAMERA), TARGET_CAMERA)
    assert target_stats["limb_lengths"]["thigh"] > 1.05 * source_stats["limb_lengths"]["thigh"]
    source_values = joint_speeds(source, ANKLE_JOINTS, source_stats)
    assert (
        joint_speeds(retarget_joints(source, source_stats, target_stats), ANKLE_JOINTS, target_stats).max()
        <= 1.001 * source_values.max()
    )


@pytest.mark.parametrize(("source_type", "target_type"), BODY_PAIRS)
def test_noisy_feet_slide_no_farther_than_the_source(source_type: str, target_type: str) -> None:
    """With detector noise, and feet that roll over their toes."""
    clean_source = project_motion(MOTIONS["approaching"], BODY_TYPES[source_type], SOURCE_CAMERA)
    source = clean_source + np.random.default_rng(5).normal(0, 0.8, clean_source.shape)
    source_stats = measure_statistics(source, SOURCE_CAMERA)
    target_stats = measure_statistics(
        project_motion(dance_motion(200, (0, 0)), BODY_TYPES[target_type], TARGET_CAMERA), TARGET_CAMERA
    )
    result = retarget_joints(source, source_stats, target_stats)
    is_standing = joint_speeds(clean_source, ANKLE_JOINTS, source_stats) < 1e-6
    for joints in (ANKLE_JOINTS, (22, 19), (24, 21)):
        source_speeds = joint_speeds(source, joints, source_stats)[is_standing]
        result_speeds = joint_speeds(result, joints, target_stats)[is_standing]
        assert result_speeds.mean() <= 1.02 * source_speeds.mean()
        assert np.percentile(result_speeds, 95) <= (1.0 if joints == ANKLE_JOINTS else 1.15) * np.percentile(
            source_speeds, 95
        )


def test_long_approach_becomes_a_walk_in_place() -> None:
    """Four metres towards the camera, on a target that never left its position: the legs stretch a little."""
    source = project_motion(walk_motion(200, (0.3, 3), (-0.6, -4)), ADULT, SOURCE_CAMERA)
    source_stats = measure_statistics(source, SOURCE_CAMERA)
    target_stats = measure_statistics(project_motion(dance_motion(240, (0, 0)), LANKY, TARGET_CAMERA), TARGET_CAMERA)
    result = retarget_joints(source, source_stats, target_stats)
    is_standing = joint_speeds(source, ANKLE_JOINTS, source_stats) < 1e-6
    assert np.mean(joint_speeds(result, ANKLE_JOINTS, target_stats)[is_standing]) < 1e-4
    accelerations = joint_accelerations(result, target_stats)
    assert accelerations.max() < 0.035  # the source's maximum is 0.024
    assert accelerations[:, 8].max() < 0.012
    assert np.abs(np.diff(bone_lengths(result, "torso")[:, 0], 2)).max() < 2.5
    assert joint_speeds(result, ANKLE_JOINTS, target_stats)[is_standing].max() < 0.003
    assert source_stats["ground"]["near"]["height"] > 1.5 * source_stats["ground"]["far"]["height"]
    torso = bone_lengths(result, "torso")[:, 0]
    assert torso.std() < 0.04 * torso.mean()
    for name in ("thigh", "shin"):
        source_lengths = (
            bone_lengths(source, name)
            / body_heights(source, source_stats)[:, None]
            / source_stats["limb_lengths"][name]
        )
        result_lengths = (
            bone_lengths(result, name) / target_stats["ground"]["middle"]["height"] / target_stats["limb_lengths"][name]
        )
        assert np.median(result_lengths) == pytest.approx(
            np.median(source_lengths), abs=0.04
        )  # thigh and shin share the stretch of a leg
        assert np.percentile(result_lengths, 95) < np.percentile(source_lengths, 95) + 0.1


@pytest.mark.parametrize(("source_type", "target_type"), BODY_PAIRS)
def test_standing_feet_lie_on_the_targets_ground(source_type: str, target_type: str) -> None:
    source = project_motion(dance_motion(240, (0, 0), jump_starts=JUMP_STARTS), BODY_TYPES[source_type], SOURCE_CAMERA)
    source_stats = measure_statistics(source, SOURCE_CAMERA)
    target_stats = measure_statistics(
        project_motion(dance_motion(200, (0, 0)), BODY_TYPES[target_type], TARGET_CAMERA, (0.2, 5.0)), TARGET_CAMERA
    )
    result = retarget_joints(source, source_stats, target_stats)
    ground = target_stats["ground"]["middle"]
    lift = (ground["y"] - result[:, ANKLE_JOINTS, 1].max(axis=1)) / ground["height"]
    is_airborne = dance_motion(240, (0, 0), jump_starts=JUMP_STARTS).jump_heights > 0
    assert np.abs(lift[~is_airborne]).max() < 0.02
    source_ground = source_stats["ground"]["middle"]
    source_lift = (source_ground["y"] - source[:, ANKLE_JOINTS, 1].max(axis=1)) / source_ground["height"]
    np.testing.assert_allclose(lift, source_lift, atol=0.01)


@pytest.mark.parametrize(("source_type", "target_type"), BODY_PAIRS)
def test_jumps_keep_their_height_in_body_heights(source_type: str, target_type: str) -> None:
    motion = dance_motion(240, (0, 0), jump_starts=JUMP_STARTS)
    standing_motion = dance_motion(240, (0, 0))
    source = project_motion(motion, BODY_TYPES[source_type], SOURCE_CAMERA)
    standing_source = project_motion(standing_motion, BODY_TYPES[source_type], SOURCE_CAMERA)
    source_stats = measure_statistics(source, SOURCE_CAMERA)
    target_stats = measure_statistics(
        project_motion(standing_motion, BODY_TYPES[target_type], TARGET_CAMERA), TARGET_CAMERA
    )
    result = retarget_joints(source, source_stats, target_stats)
    standing_result = retarget_joints(standing_source, source_stats, target_stats)
    apex = JUMP_STARTS[0] + 8
    for joint in (0, 8, *ANKLE_JOINTS):
        source_rise = (standing_source - source)[apex, joint, 1] / source_stats["ground"]["middle"]["height"]
        assert source_rise > 0.15
        result_rise = (standing_result - result)[apex, joint, 1] / target_stats["ground"]["middle"]["height"]
        assert result_rise == pytest.approx(source_rise, rel=0.05)


@pytest.mark.parametrize("direction", ["nearer", "away"])
def test_near_maps_to_near_and_far_to_far(direction: str) -> None:
    approach = (
        walk_motion(200, (0.3, 3), (-0.6, -4)) if direction == "nearer" else walk_motion(200, (-0.3, -0.5), (0.6, 4))
    )
    source = project_motion(approach, ADULT, SOURCE_CAMERA)
    target = project_motion(walk_motion(200, (-0.3, 0), (0.4, 3)), CHILD, TARGET_CAMERA)
    source_stats, target_stats = measure_statistics(source, SOURCE_CAMERA), measure_statistics(target, TARGET_CAMERA)
    result = retarget_joints(source, source_stats, target_stats)
    body_size = bone_lengths(result, "torso")[:, 0] / target_stats["limb_lengths"]["torso"]
    foot_ys = result[:, ANKLE_JOINTS, 1].max(axis=1)
    first, last = ("far", "near") if direction == "nearer" else ("near", "far")
    # A foot that lands farther away keeps the position that the map gives to a foot raised to that height.
    tolerance = 0.05 if direction == "nearer" else 0.08
    for end, frames in ((first, slice(0, 8)), (last, slice(-8, None))):
        assert body_size[frames].mean() == pytest.approx(target_stats["ground"][end]["height"], rel=0.08)
        assert foot_ys[frames].mean() == pytest.approx(
            target_stats["ground"][end]["y"], abs=tolerance * body_size[frames].mean()
        )


def test_size_is_constant_beyond_the_measured_depth_range() -> None:
    """`transfer` measures only some frames, so the line of heights is extrapolated beyond its ends."""
    source = project_motion(walk_motion(200, (0.3, 3), (-0.6, -4)), ADULT, SOURCE_CAMERA)
    source_stats = measure_statistics(source[40:70], SOURCE_CAMERA)
    target_stats = measure_statistics(project_motion(dance_motion(100, (0, 0)), CHILD, TARGET_CAMERA), TARGET_CAMERA)
    assert source_stats["ground"]["near"]["height"] > source_stats["ground"]["far"]["height"]
    body_size = bone_lengths(retarget_joints(source, source_stats, target_stats), "torso")[:, 0]
    assert body_size.max() < 1.25 * body_size.min()
    assert bone_lengths(source, "torso").max() > 1.8 * bone_lengths(source, "torso").min()


def test_small_depth_motion_is_not_stretched_to_the_targets_range() -> None:
    source = project_motion(walk_motion(100, (0, 0.4), (0, -0.8), step_length=0.4), ADULT, SOURCE_CAMERA)
    target = project_motion(walk_motion(200, (-0.3, 3), (0.4, -4)), ADULT, SOURCE_CAMERA)
    source_stats, target_stats = measure_statistics(source, SOURCE_CAMERA), measure_statistics(target, SOURCE_CAMERA)
    assert source_stats["ground"]["near"]["y"] > source_stats["ground"]["far"]["y"]
    result = retarget_joints(source, source_stats, target_stats)
    assert np.ptp(result[:, 8, 1]) < 1.5 * np.ptp(source[:, 8, 1])
    foot_ys = result[:, ANKLE_JOINTS, 1].max(axis=1)
    assert foot_ys.min() > target_stats["ground"]["far"]["y"] - 5
    assert foot_ys.max() < target_stats["ground"]["near"]["y"] + 5


def test_jumps_do_not_create_a_depth_range() -> None:
    statistics = measure_statistics(
        project_motion(dance_motion(240, (0, 0), jump_starts=(20, 60, 100, 140, 180)), ADULT, SOURCE_CAMERA),
        SOURCE_CAMERA,
    )
    assert statistics["ground"]["far"] == statistics["ground"]["near"]
    assert statistics["ground"]["near"]["y"] == pytest.approx(582, abs=4)


def test_jumps_do_not_change_the_ground_line() -> None:
    """Near and far are found although people jump at both positions."""
    origins = ((0.0, 3.0), (0.0, 6.0))
    standing_bodies = np.concatenate(
        [project_motion(dance_motion(120, (0, 0)), ADULT, SOURCE_CAMERA, origin) for origin in origins]
    )
    jumping_bodies = np.concatenate(
        [
            project_motion(dance_motion(120, (0, 0), jump_starts=(10, 40, 70)), ADULT, SOURCE_CAMERA, origin)
            for origin in origins
        ]
    )
    standing_stats = measure_statistics(standing_bodies, SOURCE_CAMERA)
    jumping_stats = measure_statistics(jumping_bodies, SOURCE_CAMERA)
    assert standing_stats["ground"]["near"]["height"] == pytest.approx(
        2 * standing_stats["ground"]["far"]["height"], rel=0.06
    )
    for end in ("near", "far"):
        assert jumping_stats["ground"][end]["y"] == pytest.approx(standing_stats["ground"][end]["y"], abs=8)
        assert jumping_stats["ground"][end]["height"] == pytest.approx(
            standing_stats["ground"][end]["height"], rel=0.05
        )
    for name in MAIN_BONES:
        assert jumping_stats["limb_lengths"][name] == pytest.approx(standing_stats["limb_lengths"][name], rel=0.05), (
            name
        )


def test_horizontal_motion_stays_in_the_frame() -> None:
    """The source stands mostly at the right end of its path, the target at the left of its frame."""
    source = project_motion(walk_motion(260, (-1.4, 0), (2.8, 0), step_length=0.7), ADULT, SOURCE_CAMERA, (0.0, 6.0))
    target = project_motion(dance_motion(100, (0, 0)), CHILD, TARGET_CAMERA, (-1.0, 5.0))
    source_stats, target_stats = measure_statistics(source, SOURCE_CAMERA), measure_statistics(target, TARGET_CAMERA)
    result = retarget_joints(source, source_stats, target_stats)
    assert source_stats["hip_range"]["x"] > 0.6 * (
        source_stats["hip_range"]["left"] + source_stats["hip_range"]["right"]
    )
    assert result[:, 8, 0].min() > 0.1 * target_stats["ground"]["middle"]["height"]
    assert result[:, 8, 0].max() < TARGET_CAMERA.width
