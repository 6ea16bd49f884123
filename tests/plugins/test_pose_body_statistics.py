"""Statistics of the pose plugin on synthetic bodies of known limb lengths."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.retargeting import (
    BODY_TYPES,
    JUMP_STARTS,
    MAIN_BONES,
    SOURCE_CAMERA,
    BodyRetargeter,
    measure_statistics,
    pose_statistics,
)
from helpers.synthetic_bodies import ADULT, LANKY, LimbLengths, annotations_from_joints, dance_motion, project_motion


@pytest.mark.parametrize("name", BODY_TYPES)
def test_limb_lengths_match_the_synthetic_body(name: str) -> None:
    limbs = BODY_TYPES[name]
    statistics = measure_statistics(
        project_motion(dance_motion(240, (0, 0), jump_starts=JUMP_STARTS), limbs, SOURCE_CAMERA), SOURCE_CAMERA, 0.5
    )
    body_height = limbs.neck + limbs.torso + limbs.thigh + limbs.shin
    scale = SOURCE_CAMERA.focal_length / 4.0
    assert statistics["ground"]["middle"]["height"] == pytest.approx(body_height * scale, rel=0.06)
    for limb, length in _true_lengths(limbs).items():
        assert statistics["limb_lengths"][limb] == pytest.approx(length / body_height, rel=0.1), limb


def _true_lengths(limbs: LimbLengths) -> dict[str, float]:
    return {"head": limbs.neck, **{name: getattr(limbs, name) for name in MAIN_BONES if name != "head"}}


def test_statistics_fill_in_missing_joints() -> None:
    """Without legs the height is estimated from an adult's proportions; without the mid-hip nothing changes."""
    bodies = project_motion(dance_motion(120, (0, 0)), ADULT, SOURCE_CAMERA)
    complete_stats = measure_statistics(bodies, SOURCE_CAMERA)
    without_hips, without_legs = bodies.copy(), bodies.copy()
    without_hips[:, 8] = np.nan
    without_legs[:, [9, 10, 11, 12, 13, 14, 19, 20, 21, 22, 23, 24]] = np.nan
    assert measure_statistics(without_hips, SOURCE_CAMERA)["limb_lengths"] == pytest.approx(
        complete_stats["limb_lengths"], rel=0.01
    )
    assert measure_statistics(without_hips, SOURCE_CAMERA)["hip_range"]["x"] == pytest.approx(
        complete_stats["hip_range"]["x"], abs=1
    )
    upper_stats = measure_statistics(without_legs, SOURCE_CAMERA)
    assert upper_stats["ground"]["middle"]["height"] == pytest.approx(
        complete_stats["ground"]["middle"]["height"], rel=0.06
    )
    assert upper_stats["ground"]["middle"]["y"] == pytest.approx(complete_stats["ground"]["middle"]["y"], abs=30)
    assert "shin" not in upper_stats["limb_lengths"]


def test_subject_box_contains_the_person_and_lies_in_the_frame() -> None:
    bodies = project_motion(dance_motion(240, (0, 0), jump_starts=JUMP_STARTS), ADULT, SOURCE_CAMERA)
    x0, y0, x1, y1 = measure_statistics(bodies, SOURCE_CAMERA)["subject_box"]
    is_inside = (bodies[..., 0] > x0) & (bodies[..., 0] < x1) & (bodies[..., 1] > y0) & (bodies[..., 1] < y1)
    assert is_inside.mean() > 0.995
    assert y0 < bodies[:, 0, 1].min() - 20  # margin for the hair
    x0, y0, x1, y1 = measure_statistics(
        project_motion(dance_motion(100, (0, 0)), LANKY, SOURCE_CAMERA, (1.4, 2.6)), SOURCE_CAMERA
    )["subject_box"]
    assert 0 <= x0 < x1 <= SOURCE_CAMERA.width
    assert 0 <= y0 < y1 <= SOURCE_CAMERA.height


def test_statistics_ignore_frame_order_and_need_few_frames() -> None:
    annotations = annotations_from_joints(
        project_motion(dance_motion(240, (0, 0), jump_starts=JUMP_STARTS), ADULT, SOURCE_CAMERA),
        SOURCE_CAMERA,
        jitter=0.5,
    )
    assert pose_statistics(annotations[::-1]) == pose_statistics(annotations)
    all_stats, sparse_stats = pose_statistics(annotations), pose_statistics(annotations[::20])
    for name in MAIN_BONES:
        assert sparse_stats["limb_lengths"][name] == pytest.approx(all_stats["limb_lengths"][name], rel=0.06), name
    single_stats = pose_statistics(annotations[:1])
    assert BodyRetargeter(single_stats, all_stats)(annotations[5].points)["body"].shape == (25, 3)


def test_statistics_of_missing_and_minimal_bodies() -> None:
    empty = np.full((5, 25, 2), np.nan)
    assert pose_statistics([]) == {}
    assert pose_statistics(annotations_from_joints(empty, SOURCE_CAMERA)) == {}
    empty[2, 4] = [100, 200]
    statistics = pose_statistics(annotations_from_joints(empty, SOURCE_CAMERA))
    assert "limb_lengths" not in statistics
    x0, y0, x1, y1 = statistics["subject_box"]
    assert x0 < x1
    assert y0 < y1
    retargeter = BodyRetargeter(statistics, statistics)
    np.testing.assert_array_equal(
        retargeter(annotations_from_joints(empty, SOURCE_CAMERA)[2].points)["body"][4, :2], [100, 200]
    )


def test_statistics_ignore_joints_of_low_confidence() -> None:
    annotations = annotations_from_joints(
        project_motion(dance_motion(100, (0, 0)), ADULT, SOURCE_CAMERA), SOURCE_CAMERA
    )
    for annotation in annotations[::2]:
        annotation.points["body"][7] = [5, 5, 0.1]
    assert pose_statistics(annotations)["limb_lengths"]["forearm"] < 0.2
