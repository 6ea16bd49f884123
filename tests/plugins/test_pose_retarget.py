"""Retargeting of the pose plugin, measured on synthetic bodies and real people."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.retargeting import (
    BODY_PAIRS,
    BODY_TYPES,
    JUMP_STARTS,
    MAIN_BONES,
    MOTIONS,
    SOURCE_CAMERA,
    TARGET_CAMERA,
    BodyRetargeter,
    bone_lengths,
    joint_accelerations,
    measure_statistics,
    pose_statistics,
    retarget_joints,
)
from helpers.synthetic_bodies import (
    ADULT,
    CHILD,
    Array,
    Camera,
    annotations_from_joints,
    dance_motion,
    project_motion,
    walk_motion,
)

from vid2vid_cli.conditioning import Annotation


@pytest.mark.parametrize(("source_type", "target_type"), BODY_PAIRS)
def test_result_has_the_targets_limb_lengths(source_type: str, target_type: str) -> None:
    """The target dances another dance, at another size and position."""
    source = project_motion(dance_motion(240, (0, 0), jump_starts=JUMP_STARTS), BODY_TYPES[source_type], SOURCE_CAMERA)
    target = project_motion(
        dance_motion(200, (0.2, 0.1), max_yaw=0.4), BODY_TYPES[target_type], TARGET_CAMERA, (0.2, 5.0)
    )
    source_stats, target_stats = measure_statistics(source, SOURCE_CAMERA), measure_statistics(target, TARGET_CAMERA)
    result = retarget_joints(source, source_stats, target_stats)
    result_stats = measure_statistics(result, TARGET_CAMERA)
    errors = {name: result_stats["limb_lengths"][name] / target_stats["limb_lengths"][name] - 1 for name in MAIN_BONES}
    assert max(map(abs, errors.values())) < 0.05, errors
    assert np.median(np.abs(list(errors.values()))) < 0.025
    assert result_stats["ground"]["middle"]["height"] == pytest.approx(
        target_stats["ground"]["middle"]["height"], rel=0.02
    )
    source_errors = {
        name: source_stats["limb_lengths"][name] / target_stats["limb_lengths"][name] - 1 for name in MAIN_BONES
    }
    assert max(map(abs, source_errors.values())) > 0.1  # otherwise the test proves nothing


@pytest.mark.parametrize(("source_type", "target_type"), BODY_PAIRS)
def test_result_matches_the_target_performing_the_motion(source_type: str, target_type: str) -> None:
    """The ground truth is the target's body performing the same motion, projected by its own camera."""
    motion = dance_motion(240, (0, 0), jump_starts=JUMP_STARTS)
    source = project_motion(motion, BODY_TYPES[source_type], SOURCE_CAMERA)
    expected = project_motion(motion, BODY_TYPES[target_type], TARGET_CAMERA, (0.2, 5.0))
    target_stats = measure_statistics(expected, TARGET_CAMERA)
    result = retarget_joints(source, measure_statistics(source, SOURCE_CAMERA), target_stats)
    for name in ("torso", "upper_arm", "forearm", "thigh", "shin"):
        assert np.median(np.abs(bone_lengths(result, name) / bone_lengths(expected, name) - 1)) < 0.04, name
    deviations = np.linalg.norm(result - expected, axis=-1) / target_stats["ground"]["middle"]["height"]
    assert np.median(deviations) < 0.012
    assert np.percentile(deviations, 99) < 0.05


def test_foreshortening_is_preserved() -> None:
    """Turned shoulders are narrow on the target as on the source."""
    source = project_motion(dance_motion(200, (0, 0), max_yaw=1.2), ADULT, SOURCE_CAMERA)
    target = project_motion(dance_motion(200, (0, 0), max_yaw=1.2), CHILD, TARGET_CAMERA)
    result = retarget_joints(
        source, measure_statistics(source, SOURCE_CAMERA), measure_statistics(target, TARGET_CAMERA)
    )
    source_widths, result_widths = bone_lengths(source, "shoulder")[:, 0], bone_lengths(result, "shoulder")[:, 0]
    assert source_widths.min() < 0.6 * source_widths.max()
    assert np.ptp(result_widths / source_widths) < 1e-3


def test_shoulder_width_is_kept_if_it_was_never_measured() -> None:
    source = project_motion(walk_motion(64, (-0.7, 0), (1.4, 0), step_length=0.35), ADULT, SOURCE_CAMERA)
    target = project_motion(dance_motion(200, (0, 0)), ADULT, SOURCE_CAMERA)
    source_stats, target_stats = measure_statistics(source, SOURCE_CAMERA), measure_statistics(target, SOURCE_CAMERA)
    assert "shoulder" not in source_stats["limb_lengths"]
    result = retarget_joints(source, source_stats, target_stats)
    np.testing.assert_allclose(bone_lengths(result, "shoulder"), bone_lengths(source, "shoulder"), rtol=0.1)


def test_retarget_with_equal_statistics_is_identity() -> None:
    source = project_motion(walk_motion(200, (0.3, 3), (-0.6, -4)), ADULT, SOURCE_CAMERA)
    source += np.random.default_rng(1).normal(0, 1.5, source.shape)
    source[30:40, 11] = np.nan
    source[60:90, 4] = np.nan
    source[100:103, :] = np.nan
    source[120:125, [8, 9, 12]] = np.nan
    statistics = measure_statistics(source, SOURCE_CAMERA, jitter=0)
    np.testing.assert_allclose(retarget_joints(source, statistics, statistics), source, atol=1e-3)


def test_retarget_is_equivariant_to_scale_and_translation() -> None:
    source = project_motion(walk_motion(200, (0.3, 3), (-0.6, -4)), ADULT, SOURCE_CAMERA)
    target = 0.6 * source + [80, 40]
    result = retarget_joints(
        source, measure_statistics(source, SOURCE_CAMERA, 0), measure_statistics(target, SOURCE_CAMERA, 0)
    )
    np.testing.assert_allclose(result, target, atol=0.05)


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize(("source_type", "target_type"), BODY_PAIRS)
def test_retarget_adds_no_jitter(name: str, source_type: str, target_type: str) -> None:
    source = project_motion(MOTIONS[name], BODY_TYPES[source_type], SOURCE_CAMERA)
    source += np.random.default_rng(2).normal(0, 0.5, source.shape)
    source_stats = measure_statistics(source, SOURCE_CAMERA)
    target_stats = measure_statistics(
        project_motion(dance_motion(200, (0, 0)), BODY_TYPES[target_type], TARGET_CAMERA), TARGET_CAMERA
    )
    source_accelerations = joint_accelerations(source, source_stats)
    result_accelerations = joint_accelerations(retarget_joints(source, source_stats, target_stats), target_stats)
    length_ratio = max(
        1.0,
        *(
            target_stats["limb_lengths"][limb] / source_stats["limb_lengths"][limb]
            for limb in MAIN_BONES
            if limb in source_stats["limb_lengths"]
        ),
    )
    assert result_accelerations.mean() < 1.15 * length_ratio * source_accelerations.mean()
    assert np.percentile(result_accelerations, 99) < 1.2 * length_ratio * np.percentile(source_accelerations, 99)
    assert result_accelerations.max() < 1.6 * length_ratio * source_accelerations.max()


def make_annotations_with_parts(bodies: Array, camera: Camera, hand_size: float, face_size: float) -> list[Annotation]:
    """Annotations with hands and faces of the given sizes in pixels, attached to the wrists and the nose."""
    rng = np.random.default_rng(4)
    hand_shape, face_shape = rng.uniform(-0.3, 0.3, (21, 2)), rng.uniform(-0.6, 0.6, (70, 2))
    hand_shape[[0, 9]], face_shape[[36, 45]] = [[0, 0], [0, 1]], [[-0.5, 0], [0.5, 0]]
    frames = []
    for annotation, body in zip(annotations_from_joints(bodies, camera), bodies, strict=True):
        part_positions = {"left_hand": body[7] + hand_size * hand_shape, "right_hand": body[4] + hand_size * hand_shape}
        part_positions["face"] = body[0] + face_size * face_shape
        part_points = {
            name: np.column_stack([positions, np.full(len(positions), 0.9)]).astype(np.float32)
            for name, positions in part_positions.items()
        }
        frames.append(Annotation(annotation.height, annotation.width, 1.0, {**annotation.points, **part_points}))
    return frames


def test_hands_and_face_are_attached_with_the_targets_size() -> None:
    source = make_annotations_with_parts(
        project_motion(dance_motion(60, (0, 0)), ADULT, SOURCE_CAMERA), SOURCE_CAMERA, 22, 20
    )
    target = make_annotations_with_parts(
        project_motion(dance_motion(60, (0, 0)), CHILD, TARGET_CAMERA), TARGET_CAMERA, 9, 14
    )
    retargeter = BodyRetargeter(pose_statistics(source), pose_statistics(target))
    for annotation in source[::10]:
        result_points = retargeter(annotation.points)
        body = result_points["body"][:, :2]
        assert result_points.keys() == annotation.points.keys()
        assert all(result_points[name].shape == rows.shape for name, rows in annotation.points.items())
        np.testing.assert_array_equal(result_points["face"][:, 2], annotation.points["face"][:, 2])
        np.testing.assert_allclose(result_points["left_hand"][0, :2], body[7], atol=0.3)
        np.testing.assert_allclose(result_points["right_hand"][0, :2], body[4], atol=0.3)
        np.testing.assert_allclose(result_points["face"][[36, 45], :2].mean(axis=0), body[0], atol=0.3)
        palm = np.linalg.norm(result_points["left_hand"][9, :2] - result_points["left_hand"][0, :2])
        eyes = np.linalg.norm(result_points["face"][45, :2] - result_points["face"][36, :2])
        assert palm == pytest.approx(9, rel=0.05)
        assert eyes == pytest.approx(14, rel=0.05)


def test_hand_without_wrist_is_attached_to_the_elbow() -> None:
    source = make_annotations_with_parts(
        project_motion(dance_motion(60, (0, 0)), ADULT, SOURCE_CAMERA), SOURCE_CAMERA, 22, 20
    )
    target = pose_statistics(
        make_annotations_with_parts(
            project_motion(dance_motion(60, (0, 0)), CHILD, TARGET_CAMERA), TARGET_CAMERA, 9, 14
        )
    )
    points = dict(source[0].points)
    complete_points = BodyRetargeter(pose_statistics(source), target)(points)
    points["body"] = points["body"].copy()
    points["body"][4, :2] = np.nan
    result_points = BodyRetargeter(pose_statistics(source), target)(points)
    np.testing.assert_allclose(result_points["right_hand"], complete_points["right_hand"], atol=0.5)


def test_several_people_are_mapped_together() -> None:
    left_person = project_motion(dance_motion(60, (0, 0)), ADULT, SOURCE_CAMERA, (-0.8, 4))
    right_person = project_motion(dance_motion(60, (0, 0)), CHILD, SOURCE_CAMERA, (0.8, 4))
    people = np.concatenate([left_person, right_person], axis=1)
    source_stats = measure_statistics(people, SOURCE_CAMERA)
    target_stats = measure_statistics(0.5 * people + [30, 60], SOURCE_CAMERA)
    assert source_stats["num_people"] == 2
    points = annotations_from_joints(people, SOURCE_CAMERA)[0].points
    result_points = BodyRetargeter(source_stats, target_stats)(points)["body"]
    np.testing.assert_allclose(result_points[:, :2], 0.5 * people[0] + [30, 60], atol=2.5)
    np.testing.assert_array_equal(result_points[:, 2], points["body"][:, 2])
