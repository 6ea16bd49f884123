"""Retargeting where joints, people or statistics are missing."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.retargeting import ANKLES, HERE, THERE, WALKS, BodyRetarget, carried, statistics
from helpers.synthetic_bodies import ADULT, CHILD, LANKY, dance, perform, seen, walk


def test_missing_joints_stay_missing_and_the_rest_stays_in_place() -> None:
    source = perform(dance(100, (0, 0)), ADULT, HERE)
    target = perform(dance(100, (0, 0)), LANKY, THERE)
    mine, theirs = statistics(source, HERE), statistics(target, THERE)
    source = source[:40]
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
