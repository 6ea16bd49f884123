"""Retargeting of the pose plugin, measured on people of known limbs and on real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.retargeting import (
    ANKLES,
    HERE,
    JUMPS,
    MAIN,
    PAIRS,
    PEOPLE,
    THERE,
    WALKS,
    BodyRetarget,
    carried,
    describe,
    jerks,
    lengths,
    slides,
    statistics,
)
from helpers.synthetic_bodies import ADULT, CHILD, LANKY, Array, Camera, dance, perform, seen, walk

from vid2vid_cli.conditioning import Annotation, VideoReader
from vid2vid_cli.conditioning.registry import load_conditioner

# Limbs


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_limbs_become_the_targets(one: str, other: str) -> None:
    """Tall or small, near or far: one who dances, driven by another who dances otherwise, elsewhere."""
    source = perform(dance(240, (0, 0), jumps=JUMPS), PEOPLE[one], HERE)
    target = perform(dance(200, (0.2, 0.1), turn=0.4), PEOPLE[other], THERE, (0.2, 5.0))
    mine, theirs = statistics(source, HERE), statistics(target, THERE)
    result = carried(source, mine, theirs)
    found = statistics(result, THERE)
    errors = {name: found["limbs"][name] / theirs["limbs"][name] - 1 for name in MAIN}
    assert max(map(abs, errors.values())) < 0.05, errors
    assert np.median(np.abs(list(errors.values()))) < 0.025
    assert found["ground"]["middle"]["height"] == pytest.approx(theirs["ground"]["middle"]["height"], rel=0.02)
    before = {name: mine["limbs"][name] / theirs["limbs"][name] - 1 for name in MAIN}
    assert max(map(abs, before.values())) > 0.1  # otherwise nothing was shown


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_target_dances_as_it_would_itself(one: str, other: str) -> None:
    """Against the truth: the target's own body doing the same, seen by its own camera."""
    motion = dance(240, (0, 0), jumps=JUMPS)
    source = perform(motion, PEOPLE[one], HERE)
    truth = perform(motion, PEOPLE[other], THERE, (0.2, 5.0))
    theirs = statistics(truth, THERE)
    result = carried(source, statistics(source, HERE), theirs)
    for name in ("torso", "upper_arm", "forearm", "thigh", "shin"):
        assert np.median(np.abs(lengths(result, name) / lengths(truth, name) - 1)) < 0.04, name
    away = np.linalg.norm(result - truth, axis=-1) / theirs["ground"]["middle"]["height"]
    assert np.median(away) < 0.012
    assert np.percentile(away, 99) < 0.05


def test_foreshortening_stays() -> None:
    """Shoulders that turn away narrow on the target as on the source."""
    source = perform(dance(200, (0, 0), turn=1.2), ADULT, HERE)
    target = perform(dance(200, (0, 0), turn=1.2), CHILD, THERE)
    result = carried(source, statistics(source, HERE), statistics(target, THERE))
    before, after = lengths(source, "shoulder")[:, 0], lengths(result, "shoulder")[:, 0]
    assert before.min() < 0.6 * before.max()
    assert np.ptp(after / before) < 1e-3


def test_who_is_only_seen_from_the_side_keeps_the_width_of_the_shoulders() -> None:
    source = perform(walk(64, (-0.7, 0), (1.4, 0), step=0.35), ADULT, HERE)
    target = perform(dance(200, (0, 0)), ADULT, HERE)
    mine, theirs = statistics(source, HERE), statistics(target, HERE)
    assert "shoulder" not in mine["limbs"]
    result = carried(source, mine, theirs)
    np.testing.assert_allclose(lengths(result, "shoulder"), lengths(source, "shoulder"), rtol=0.1)


# Sameness and smoothness


def test_equal_statistics_give_equal_points() -> None:
    source = perform(walk(200, (0.3, 3), (-0.6, -4)), ADULT, HERE)
    source += np.random.default_rng(1).normal(0, 1.5, source.shape)
    source[30:40, 11] = np.nan
    source[60:90, 4] = np.nan
    source[100:103, :] = np.nan
    source[120:125, [8, 9, 12]] = np.nan
    known = statistics(source, HERE, jitter=0)
    np.testing.assert_allclose(carried(source, known, known), source, atol=1e-3)


def test_the_same_person_elsewhere_is_met_exactly() -> None:
    source = perform(walk(200, (0.3, 3), (-0.6, -4)), ADULT, HERE)
    target = 0.6 * source + [80, 40]
    result = carried(source, statistics(source, HERE, 0), statistics(target, HERE, 0))
    np.testing.assert_allclose(result, target, atol=0.05)


@pytest.mark.parametrize("name", WALKS)
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_no_jitter_is_added(name: str, one: str, other: str) -> None:
    source = perform(WALKS[name], PEOPLE[one], HERE)
    source += np.random.default_rng(2).normal(0, 0.5, source.shape)
    mine = statistics(source, HERE)
    theirs = statistics(perform(dance(200, (0, 0)), PEOPLE[other], THERE), THERE)
    before, after = jerks(source, mine), jerks(carried(source, mine, theirs), theirs)
    longer = max(1.0, *(theirs["limbs"][limb] / mine["limbs"][limb] for limb in MAIN if limb in mine["limbs"]))
    assert after.mean() < 1.15 * longer * before.mean()
    assert np.percentile(after, 99) < 1.2 * longer * np.percentile(before, 99)
    assert after.max() < 1.6 * longer * before.max()


# Hands, faces, several people


def with_parts(bodies: Array, camera: Camera, hand: float, face: float) -> list[Annotation]:
    """Hands and faces of the given size in pixels on the wrists and the nose."""
    random = np.random.default_rng(4)
    hand_shape, face_shape = random.uniform(-0.3, 0.3, (21, 2)), random.uniform(-0.6, 0.6, (70, 2))
    hand_shape[[0, 9]], face_shape[[36, 45]] = [[0, 0], [0, 1]], [[-0.5, 0], [0.5, 0]]
    frames = []
    for one, body in zip(seen(bodies, camera), bodies, strict=True):
        parts = {"left_hand": body[7] + hand * hand_shape, "right_hand": body[4] + hand * hand_shape}
        parts["face"] = body[0] + face * face_shape
        sure = {n: np.column_stack([p, np.full(len(p), 0.9)]).astype(np.float32) for n, p in parts.items()}
        frames.append(Annotation(one.height, one.width, 1.0, {**one.points, **sure}))
    return frames


def test_hands_and_face_hang_on_wrists_and_nose_in_the_targets_size() -> None:
    source = with_parts(perform(dance(60, (0, 0)), ADULT, HERE), HERE, 22, 20)
    target = with_parts(perform(dance(60, (0, 0)), CHILD, THERE), THERE, 9, 14)
    change = BodyRetarget(describe(source), describe(target))
    for one in source[::10]:
        moved = change(one.points)
        body = moved["body"][:, :2]
        assert {name: part.shape for name, part in moved.items()} == {n: p.shape for n, p in one.points.items()}
        np.testing.assert_array_equal(moved["face"][:, 2], one.points["face"][:, 2])
        np.testing.assert_allclose(moved["left_hand"][0, :2], body[7], atol=0.3)
        np.testing.assert_allclose(moved["right_hand"][0, :2], body[4], atol=0.3)
        np.testing.assert_allclose(moved["face"][[36, 45], :2].mean(axis=0), body[0], atol=0.3)
        palm = np.linalg.norm(moved["left_hand"][9, :2] - moved["left_hand"][0, :2])
        eyes = np.linalg.norm(moved["face"][45, :2] - moved["face"][36, :2])
        assert palm == pytest.approx(9, rel=0.05)
        assert eyes == pytest.approx(14, rel=0.05)


def test_a_hand_without_its_wrist_hangs_on_the_elbow() -> None:
    source = with_parts(perform(dance(60, (0, 0)), ADULT, HERE), HERE, 22, 20)
    target = describe(with_parts(perform(dance(60, (0, 0)), CHILD, THERE), THERE, 9, 14))
    points = dict(source[0].points)
    whole = BodyRetarget(describe(source), target)(points)
    points["body"] = points["body"].copy()
    points["body"][4, :2] = np.nan
    moved = BodyRetarget(describe(source), target)(points)
    np.testing.assert_allclose(moved["right_hand"], whole["right_hand"], atol=0.5)


def test_several_people_move_together() -> None:
    one, two = perform(dance(60, (0, 0)), ADULT, HERE, (-0.8, 4)), perform(dance(60, (0, 0)), CHILD, HERE, (0.8, 4))
    crowd = np.concatenate([one, two], axis=1)
    mine = statistics(crowd, HERE)
    theirs = statistics(0.5 * crowd + [30, 60], HERE)
    assert mine["people"] == 2
    points = seen(crowd, HERE)[0].points
    moved = BodyRetarget(mine, theirs)(points)["body"]
    np.testing.assert_allclose(moved[:, :2], 0.5 * crowd[0] + [30, 60], atol=2.5)
    np.testing.assert_array_equal(moved[:, 2], points["body"][:, 2])


# Real people


def openpose(folder: Path) -> list[Annotation]:
    frames = []
    for path in sorted(folder.glob("*.json")):
        person = json.loads(path.read_text())["people"][0]
        body = np.array(person["pose_keypoints_2d"], dtype=np.float32).reshape(25, 3)
        body[body[:, 2] <= 0, :2] = np.nan
        frames.append(Annotation(1080, 1920, 1.0, {"body": body}))
    return frames


@pytest.fixture(scope="module")
def woman(shared_data: Path) -> list[Annotation]:
    """A second of a dancing woman, found by the plugin itself."""
    pytest.importorskip("mediapipe")
    reader = VideoReader(shared_data / "pose" / "dancing_woman.mp4", size=(540, 360), max_frames=30)
    return list(load_conditioner("pose").annotate(iter(reader)))


def test_a_real_dancer_onto_herself_elsewhere(woman: list[Annotation]) -> None:
    moved = []
    for one in woman:
        body = one.points["body"].copy()
        body[:, :2] = 0.6 * body[:, :2] + [70, 120]
        moved.append(Annotation(one.height, one.width, one.quality, {"body": body}))
    pose = load_conditioner("pose")
    result = list(pose.retarget(woman, pose.statistics(woman), pose.statistics(moved)))
    for one, other in zip(result, moved, strict=True):
        np.testing.assert_allclose(one.points["body"], other.points["body"], atol=0.05)


def test_a_real_dancer_onto_another_real_person(shared_data: Path, woman: list[Annotation]) -> None:
    folder = shared_data / "pose" / "openpose_densepose_5frames" / "poses-openpose" / "001_001"
    pose, target = load_conditioner("pose"), openpose(folder)
    mine, theirs = pose.statistics(woman), pose.statistics(target)
    result = list(pose.retarget(woman, mine, theirs))
    found = pose.statistics(result)
    for name in MAIN:
        assert found["limbs"][name] == pytest.approx(theirs["limbs"][name], rel=0.05), name
    before, after = (np.stack([one.points["body"][:, :2] for one in many]) for many in (woman, result))
    speed, moved = slides(before, ANKLES, mine), slides(after, ANKLES, theirs)
    still = speed < 0.004
    assert still.mean() > 0.3
    assert moved[still].mean() <= 1.02 * speed[still].mean()
    assert np.nanmean(jerks(after, theirs)) <= 1.1 * np.nanmean(jerks(before, mine))


def test_real_people_exchange_their_limbs(shared_data: Path) -> None:
    folder = shared_data / "pose" / "openpose_densepose_5frames" / "poses-openpose" / "001_001"
    target = openpose(folder)
    source = perform(dance(200, (0, 0)), LANKY, HERE)
    mine, theirs = statistics(source, HERE), describe(target)
    found = statistics(carried(source, mine, theirs), THERE, 0)
    for name in MAIN:
        assert found["limbs"][name] == pytest.approx(theirs["limbs"][name], rel=0.05), name
