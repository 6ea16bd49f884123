"""Statistics and retargeting of the pose plugin, measured on people of known limbs: no library, no footage."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bodies import ADULT, CHILD, LANKY, Array, Camera, Limbs, Motion, dance, perform, seen, walk

from vid2vid_cli.conditioning import Annotation, Statistics, VideoReader
from vid2vid_cli.conditioning.registry import find_conditioners, load_conditioner

find_conditioners()  # puts the folder of plugins on the path

from vid2vid_pose.body import BONES, describe, height_at  # noqa: E402
from vid2vid_pose.retarget import BodyRetarget  # noqa: E402

HERE, THERE = Camera(), Camera(480, 640, 700, 1.0, 200)
PEOPLE = {"adult": ADULT, "lanky": LANKY, "child": CHILD}
PAIRS = [("adult", "lanky"), ("lanky", "child"), ("child", "adult")]
MAIN = ("torso", "head", "shoulder", "upper_arm", "forearm", "hip", "thigh", "shin")
ANKLES = (11, 14)
JUMPS = (100, 160)


def statistics(bodies: Array, camera: Camera, jitter: float = 0.5) -> Statistics:
    data: Statistics = json.loads(json.dumps(describe(seen(bodies, camera, jitter=jitter))))
    return data


def carried(bodies: Array, source: Statistics, target: Statistics) -> Array:
    """All frames through one retargeting, (t, 25, 2)."""
    change = BodyRetarget(source, target)
    moved = [change(one.points)["body"][:, :2] for one in seen(bodies, HERE)]
    return np.stack(moved).astype(np.float64)


def lengths(bodies: Array, name: str) -> Array:
    pairs = np.asarray(BONES[name])
    result: Array = np.linalg.norm(bodies[:, pairs[:, 1]] - bodies[:, pairs[:, 0]], axis=-1)
    return result


def heights(bodies: Array, known: Statistics) -> Array:
    """The body's height in pixels on every frame, by its foot line."""
    return height_at(known["ground"], bodies[:, ANKLES, 1].max(axis=1))


def slides(bodies: Array, joints: tuple[int, ...], known: Statistics) -> Array:
    """Speeds in heights per frame, (t - 1, joints)."""
    speed = np.linalg.norm(np.diff(bodies[:, joints], axis=0), axis=-1)
    result: Array = speed / heights(bodies, known)[1:, None]
    return result


def jerks(bodies: Array, known: Statistics) -> Array:
    """Second differences in heights, (t - 2, 25)."""
    result: Array = np.linalg.norm(np.diff(bodies, 2, axis=0), axis=-1) / heights(bodies, known)[1:-1, None]
    return result


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


# Feet

WALKS: dict[str, Motion] = {
    "aside": walk(130, (-2, 0), (5.6, 0)),
    "to the front": walk(130, (-0.6, 0.6), (2.1, -1.9), step=0.35),
    "dance": dance(240, (0, 0), jumps=JUMPS),
}


@pytest.mark.parametrize("name", WALKS)
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_standing_feet_stand(name: str, one: str, other: str) -> None:
    """Onto somebody who stays at one depth, whatever the source does."""
    source = perform(WALKS[name], PEOPLE[one], HERE)
    theirs = statistics(perform(dance(200, (0, 0)), PEOPLE[other], THERE), THERE)
    mine = statistics(source, HERE)
    result = carried(source, mine, theirs)
    still = slides(source, ANKLES, mine) < 1e-6
    assert still.mean() > 0.4
    assert slides(result, ANKLES, theirs)[still].max() < 1e-5
    found = statistics(result, THERE)["limbs"]
    assert max(abs(found[limb] / theirs["limbs"][limb] - 1) for limb in ("torso", "thigh", "shin")) < 0.05


def test_a_sliding_foot_slides_no_farther_in_heights_on_longer_legs() -> None:
    source = perform(dance(60, (0, 0)), ADULT, HERE)[30:31].repeat(60, axis=0)
    source[:, :, 0] += 0.8 * np.arange(60)[:, None]
    mine = statistics(perform(dance(200, (0, 0)), ADULT, HERE), HERE)
    theirs = statistics(perform(dance(200, (0, 0)), LANKY, THERE), THERE)
    assert theirs["limbs"]["thigh"] > 1.05 * mine["limbs"]["thigh"]
    before = slides(source, ANKLES, mine)
    assert slides(carried(source, mine, theirs), ANKLES, theirs).max() <= 1.001 * before.max()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_feet_slide_no_more_than_the_sources(one: str, other: str) -> None:
    """With the noise of a detector, and feet that roll over their toes."""
    clean = perform(WALKS["to the front"], PEOPLE[one], HERE)
    source = clean + np.random.default_rng(5).normal(0, 0.8, clean.shape)
    mine = statistics(source, HERE)
    theirs = statistics(perform(dance(200, (0, 0)), PEOPLE[other], THERE), THERE)
    result = carried(source, mine, theirs)
    still = slides(clean, ANKLES, mine) < 1e-6
    for joints in (ANKLES, (22, 19), (24, 21)):
        before, after = slides(source, joints, mine)[still], slides(result, joints, theirs)[still]
        assert after.mean() <= 1.02 * before.mean()
        assert np.percentile(after, 95) <= (1.0 if joints == ANKLES else 1.15) * np.percentile(before, 95)


def test_a_long_approach_becomes_a_walk_on_the_spot() -> None:
    """The hardest case: four metres towards the camera, on a target who never left one place. Legs give a little."""
    source = perform(walk(200, (0.3, 3), (-0.6, -4)), ADULT, HERE)
    mine = statistics(source, HERE)
    theirs = statistics(perform(dance(240, (0, 0)), LANKY, THERE), THERE)
    result = carried(source, mine, theirs)
    still = slides(source, ANKLES, mine) < 1e-6
    assert np.mean(slides(result, ANKLES, theirs)[still]) < 1e-4
    shaken = jerks(result, theirs)
    assert shaken.max() < 0.035  # the source's: 0.024
    assert shaken[:, 8].max() < 0.012
    assert np.abs(np.diff(lengths(result, "torso")[:, 0], 2)).max() < 2.5
    assert slides(result, ANKLES, theirs)[still].max() < 0.003
    assert mine["ground"]["near"]["height"] > 1.5 * mine["ground"]["far"]["height"]
    torso = lengths(result, "torso")[:, 0]
    assert torso.std() < 0.04 * torso.mean()
    for name in ("thigh", "shin"):
        before = lengths(source, name) / heights(source, mine)[:, None] / mine["limbs"][name]
        after = lengths(result, name) / theirs["ground"]["middle"]["height"] / theirs["limbs"][name]
        assert np.median(after) == pytest.approx(np.median(before), abs=0.04)  # both share what a leg gives
        assert np.percentile(after, 95) < np.percentile(before, 95) + 0.1


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_who_stands_stands_on_the_targets_ground(one: str, other: str) -> None:
    source = perform(dance(240, (0, 0), jumps=JUMPS), PEOPLE[one], HERE)
    mine = statistics(source, HERE)
    theirs = statistics(perform(dance(200, (0, 0)), PEOPLE[other], THERE, (0.2, 5.0)), THERE)
    result = carried(source, mine, theirs)
    ground = theirs["ground"]["middle"]
    lift = (ground["y"] - result[:, ANKLES, 1].max(axis=1)) / ground["height"]
    air = dance(240, (0, 0), jumps=JUMPS).jump > 0
    assert np.abs(lift[~air]).max() < 0.02
    np.testing.assert_allclose(
        lift, (mine["ground"]["middle"]["y"] - source[:, ANKLES, 1].max(axis=1)) / mine["ground"]["middle"]["height"],
        atol=0.01,
    )  # fmt: skip


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_jumps_keep_their_height_in_heights(one: str, other: str) -> None:
    motion = dance(240, (0, 0), jumps=JUMPS)
    calm = dance(240, (0, 0))
    source, before = perform(motion, PEOPLE[one], HERE), perform(calm, PEOPLE[one], HERE)
    mine = statistics(source, HERE)
    theirs = statistics(perform(calm, PEOPLE[other], THERE), THERE)
    result, flat = carried(source, mine, theirs), carried(before, mine, theirs)
    apex = JUMPS[0] + 8
    for joint in (0, 8, *ANKLES):
        rise = (before - source)[apex, joint, 1] / mine["ground"]["middle"]["height"]
        assert rise > 0.15
        after = (flat - result)[apex, joint, 1] / theirs["ground"]["middle"]["height"]
        assert after == pytest.approx(rise, rel=0.05)


# Near and far


@pytest.mark.parametrize("way", ["nearer", "away"])
def test_near_goes_to_near_and_far_to_far(way: str) -> None:
    approach = walk(200, (0.3, 3), (-0.6, -4)) if way == "nearer" else walk(200, (-0.3, -0.5), (0.6, 4))
    source = perform(approach, ADULT, HERE)
    target = perform(walk(200, (-0.3, 0), (0.4, 3)), CHILD, THERE)
    mine, theirs = statistics(source, HERE), statistics(target, THERE)
    result = carried(source, mine, theirs)
    size = lengths(result, "torso")[:, 0] / theirs["limbs"]["torso"]
    feet = result[:, ANKLES, 1].max(axis=1)
    first, last = ("far", "near") if way == "nearer" else ("near", "far")
    # A foot that lands farther away lands where a foot that is lifted so high would be, and stays there.
    error = 0.05 if way == "nearer" else 0.08
    for end, frames in ((first, slice(0, 8)), (last, slice(-8, None))):
        assert size[frames].mean() == pytest.approx(theirs["ground"][end]["height"], rel=0.08)
        assert feet[frames].mean() == pytest.approx(theirs["ground"][end]["y"], abs=error * size[frames].mean())


def test_who_goes_farther_than_was_looked_at_keeps_the_size() -> None:
    """`transfer` looks at some frames only: the line of heights goes on beyond its ends."""
    source = perform(walk(200, (0.3, 3), (-0.6, -4)), ADULT, HERE)
    mine = statistics(source[40:70], HERE)
    theirs = statistics(perform(dance(100, (0, 0)), CHILD, THERE), THERE)
    assert mine["ground"]["near"]["height"] > mine["ground"]["far"]["height"]
    size = lengths(carried(source, mine, theirs), "torso")[:, 0]
    assert size.max() < 1.25 * size.min()
    assert lengths(source, "torso").max() > 1.8 * lengths(source, "torso").min()


def test_a_little_to_and_fro_is_not_spread_over_all_of_the_targets_depth() -> None:
    source = perform(walk(100, (0, 0.4), (0, -0.8), step=0.4), ADULT, HERE)
    target = perform(walk(200, (-0.3, 3), (0.4, -4)), ADULT, HERE)
    mine, theirs = statistics(source, HERE), statistics(target, HERE)
    assert mine["ground"]["near"]["y"] > mine["ground"]["far"]["y"]
    result = carried(source, mine, theirs)
    assert np.ptp(result[:, 8, 1]) < 1.5 * np.ptp(source[:, 8, 1])
    feet = result[:, ANKLES, 1].max(axis=1)
    assert feet.min() > theirs["ground"]["far"]["y"] - 5
    assert feet.max() < theirs["ground"]["near"]["y"] + 5


def test_a_jump_is_not_taken_for_distance() -> None:
    known = statistics(perform(dance(240, (0, 0), jumps=(20, 60, 100, 140, 180)), ADULT, HERE), HERE)
    assert known["ground"]["far"] == known["ground"]["near"]
    assert known["ground"]["near"]["y"] == pytest.approx(582, abs=4)


def test_jumps_do_not_bend_the_line_of_heights() -> None:
    """Near and far are found among people who jump at both places."""
    places = ((0.0, 3.0), (0.0, 6.0))
    calm = np.concatenate([perform(dance(120, (0, 0)), ADULT, HERE, at) for at in places])
    wild = np.concatenate([perform(dance(120, (0, 0), jumps=(10, 40, 70)), ADULT, HERE, at) for at in places])
    known, jumped = statistics(calm, HERE), statistics(wild, HERE)
    assert known["ground"]["near"]["height"] == pytest.approx(2 * known["ground"]["far"]["height"], rel=0.06)
    for end in ("near", "far"):
        assert jumped["ground"][end]["y"] == pytest.approx(known["ground"][end]["y"], abs=8)
        assert jumped["ground"][end]["height"] == pytest.approx(known["ground"][end]["height"], rel=0.05)
    for name in MAIN:
        assert jumped["limbs"][name] == pytest.approx(known["limbs"][name], rel=0.05), name


def test_whose_way_fits_into_the_frame_stays_in_it() -> None:
    """One who mostly stands at the right end of a walk, driving one who stands at the left of the frame."""
    source = perform(walk(260, (-1.4, 0), (2.8, 0), step=0.7), ADULT, HERE, (0.0, 6.0))
    target = perform(dance(100, (0, 0)), CHILD, THERE, (-1.0, 5.0))
    mine, theirs = statistics(source, HERE), statistics(target, THERE)
    result = carried(source, mine, theirs)
    assert mine["place"]["x"] > 0.6 * (mine["place"]["left"] + mine["place"]["right"])
    assert result[:, 8, 0].min() > 0.1 * theirs["ground"]["middle"]["height"]
    assert result[:, 8, 0].max() < THERE.width


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


# What is missing


def test_missing_joints_stay_missing_and_the_rest_stays_in_place() -> None:
    source = perform(dance(100, (0, 0)), ADULT, HERE)
    target = perform(dance(100, (0, 0)), LANKY, THERE)
    mine, theirs = statistics(source, HERE), statistics(target, THERE)
    whole = carried(source, mine, theirs)
    legs = [9, 10, 11, 12, 13, 14, 19, 20, 21, 22, 23, 24]
    cases = [([8], 0.001), ([8, *legs], 0.03), ([11], 0.03), ([11, 14], 0.05), ([3], 0.05), ([10], 0.05)]
    cases += [([1], 0.1), ([8, 9, 12], 0.1), ([1, 8, 9, 12], 0.15), ([0, 1, 8, 9, 12], 0.15)]
    for lost, limit in cases:
        holed = source.copy()
        holed[:, lost] = np.nan
        result = carried(holed, mine, theirs)
        kept = [joint for joint in range(25) if joint not in lost]
        assert np.isnan(result[:, lost]).all()
        away = np.linalg.norm(result[:, kept] - whole[:, kept], axis=-1) / theirs["ground"]["middle"]["height"]
        assert np.median(away) < 0.03, lost
        assert away.max() < limit, lost


def test_ankles_that_come_and_go_do_not_throw_the_body_about() -> None:
    source = perform(WALKS["to the front"], ADULT, HERE)
    mine = statistics(source, HERE)
    theirs = statistics(perform(dance(200, (0, 0)), CHILD, THERE), THERE)
    whole = carried(source, mine, theirs)
    random = np.random.default_rng(3)
    holed = source.copy()
    for ankle in ANKLES:
        holed[random.random(len(holed)) < 0.2, ankle] = np.nan
    holed[50:70, ANKLES] = np.nan
    result = carried(holed, mine, theirs)
    step = np.linalg.norm(np.diff(result[:, 8], 2, axis=0), axis=-1) / theirs["ground"]["middle"]["height"]
    usual = np.linalg.norm(np.diff(whole[:, 8], 2, axis=0), axis=-1) / theirs["ground"]["middle"]["height"]
    assert step.max() < usual.max() + 0.02
    away = np.linalg.norm(result[:, 8] - whole[:, 8], axis=-1) / theirs["ground"]["middle"]["height"]
    assert away.max() < 0.08


@pytest.mark.parametrize("cut", ["hips", "breast"])
def test_upper_bodies_are_carried_without_feet(cut: str) -> None:
    """Both sides cut off: heights are filled up by an adult's proportions."""
    source, target = perform(dance(100, (0, 0)), ADULT, HERE), perform(dance(100, (0, 0)), CHILD, THERE)
    lost = [9, 10, 11, 12, 13, 14, 19, 20, 21, 22, 23, 24, *([8] if cut == "breast" else [])]
    source[:, lost], target[:, lost] = np.nan, np.nan
    mine, theirs = statistics(source, HERE), statistics(target, THERE)
    result = carried(source, mine, theirs)
    found = statistics(result, THERE, 0)
    for name in ("head", "upper_arm", "shoulder"):
        assert found["limbs"][name] == pytest.approx(theirs["limbs"][name], rel=0.05)
    assert found["place"]["x"] == pytest.approx(theirs["place"]["x"], abs=4)
    away = np.linalg.norm(result[:, 1] - target[:, 1], axis=-1) / np.linalg.norm(target[:, 1] - target[:, 0], axis=-1)
    assert np.median(away) < 0.3  # of a neck's length


def test_a_gap_is_empty_and_a_long_one_forgets() -> None:
    source = perform(walk(200, (0.3, 3), (-0.6, -4)), ADULT, HERE)
    mine = statistics(source, HERE)
    theirs = statistics(perform(dance(100, (0, 0)), CHILD, THERE), THERE)
    whole = carried(source, mine, theirs)
    for frames, fresh in ((3, False), (20, True)):
        holed = source.copy()
        holed[70 : 70 + frames] = np.nan
        result = carried(holed, mine, theirs)
        assert np.isnan(result[70 : 70 + frames]).all()
        after = slice(70 + frames, None)
        other = carried(source[after], mine, theirs)
        assert np.allclose(result[after], other, atol=1e-3) is fresh
        if not fresh:
            assert np.abs(result[after] - whole[after]).max() < 0.06 * theirs["ground"]["middle"]["height"]


def test_another_shot_begins_anew() -> None:
    source = perform(walk(200, (0.3, 3), (-0.6, -4)), ADULT, HERE)
    mine = statistics(source, HERE)
    theirs = statistics(perform(dance(100, (0, 0)), CHILD, THERE), THERE)
    elsewhere = source[20:60] - [250, 0]
    middle = source[180].mean(axis=0)
    farther = middle + 0.6 * (source[181:] - middle)  # the same place in the picture, but smaller
    for after in (elsewhere, farther):
        cut = np.concatenate([source[150:181], after])
        np.testing.assert_allclose(carried(cut, mine, theirs)[31:], carried(after, mine, theirs), atol=1e-3)


@pytest.mark.parametrize("side", ["source", "target"])
def test_without_statistics_points_pass_unchanged(side: str) -> None:
    bodies = perform(dance(10, (0, 0)), ADULT, HERE)
    known = statistics(bodies, HERE)
    change = BodyRetarget({}, known) if side == "source" else BodyRetarget(known, {})
    points = seen(bodies, HERE)[0].points
    np.testing.assert_array_equal(change(points)["body"], points["body"])


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


# Statistics


@pytest.mark.parametrize("name", PEOPLE)
def test_lengths_are_known(name: str) -> None:
    limbs = PEOPLE[name]
    known = statistics(perform(dance(240, (0, 0), jumps=JUMPS), limbs, HERE), HERE, 0.5)
    tall = limbs.neck + limbs.torso + limbs.thigh + limbs.shin
    scale = HERE.focal / 4.0
    assert known["ground"]["middle"]["height"] == pytest.approx(tall * scale, rel=0.06)
    for limb, length in _truth(limbs).items():
        assert known["limbs"][limb] == pytest.approx(length / tall, rel=0.1), limb


def _truth(limbs: Limbs) -> dict[str, float]:
    return {"head": limbs.neck, **{name: getattr(limbs, name) for name in MAIN if name != "head"}}


def test_what_is_not_seen_is_filled_up() -> None:
    """Without legs a height is an adult's guess; without the middle of the hips nothing is lost."""
    bodies = perform(dance(120, (0, 0)), ADULT, HERE)
    whole = statistics(bodies, HERE)
    hipless, legless = bodies.copy(), bodies.copy()
    hipless[:, 8] = np.nan
    legless[:, [9, 10, 11, 12, 13, 14, 19, 20, 21, 22, 23, 24]] = np.nan
    assert statistics(hipless, HERE)["limbs"] == pytest.approx(whole["limbs"], rel=0.01)
    assert statistics(hipless, HERE)["place"]["x"] == pytest.approx(whole["place"]["x"], abs=1)
    upper = statistics(legless, HERE)
    assert upper["ground"]["middle"]["height"] == pytest.approx(whole["ground"]["middle"]["height"], rel=0.06)
    assert upper["ground"]["middle"]["y"] == pytest.approx(whole["ground"]["middle"]["y"], abs=30)
    assert "shin" not in upper["limbs"]


def test_focus_holds_the_person_and_stays_in_the_frame() -> None:
    bodies = perform(dance(240, (0, 0), jumps=JUMPS), ADULT, HERE)
    x0, y0, x1, y1 = statistics(bodies, HERE)["focus"]
    inside = (bodies[..., 0] > x0) & (bodies[..., 0] < x1) & (bodies[..., 1] > y0) & (bodies[..., 1] < y1)
    assert inside.mean() > 0.995
    assert y0 < bodies[:, 0, 1].min() - 20  # the hair
    x0, y0, x1, y1 = statistics(perform(dance(100, (0, 0)), LANKY, HERE, (1.4, 2.6)), HERE)["focus"]
    assert 0 <= x0 < x1 <= HERE.width
    assert 0 <= y0 < y1 <= HERE.height


def test_statistics_do_not_depend_on_order_and_few_frames_are_enough() -> None:
    frames = seen(perform(dance(240, (0, 0), jumps=JUMPS), ADULT, HERE), HERE, jitter=0.5)
    assert describe(frames[::-1]) == describe(frames)
    every, few = describe(frames), describe(frames[::20])
    for name in MAIN:
        assert few["limbs"][name] == pytest.approx(every["limbs"][name], rel=0.06), name
    single = describe(frames[:1])
    assert BodyRetarget(single, every)(frames[5].points)["body"].shape == (25, 3)


def test_nobody_and_hardly_anybody() -> None:
    empty = np.full((5, 25, 2), np.nan)
    assert describe([]) == {}
    assert describe(seen(empty, HERE)) == {}
    empty[2, 4] = [100, 200]
    known = describe(seen(empty, HERE))
    assert "limbs" not in known
    x0, y0, x1, y1 = known["focus"]
    assert x0 < x1
    assert y0 < y1
    change = BodyRetarget(known, known)
    np.testing.assert_array_equal(change(seen(empty, HERE)[2].points)["body"][4, :2], [100, 200])


def test_doubtful_joints_do_not_count() -> None:
    frames = seen(perform(dance(100, (0, 0)), ADULT, HERE), HERE)
    for one in frames[::2]:
        one.points["body"][7] = [5, 5, 0.1]
    assert describe(frames)["limbs"]["forearm"] < 0.2


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
