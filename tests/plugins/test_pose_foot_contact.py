"""Retargeted feet stand, bodies jump, and near and far are met: measured on people of known limbs."""

from __future__ import annotations

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
    carried,
    heights,
    jerks,
    lengths,
    slides,
    statistics,
)
from helpers.synthetic_bodies import ADULT, CHILD, LANKY, dance, perform, walk

# Feet


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
