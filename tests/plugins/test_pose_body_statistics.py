"""What the pose plugin knows about a body: statistics of people of known limbs."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.retargeting import HERE, JUMPS, MAIN, PEOPLE, BodyRetarget, describe, statistics
from helpers.synthetic_bodies import ADULT, LANKY, Limbs, dance, perform, seen


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
