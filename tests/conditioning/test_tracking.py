"""People over time: crossing, gaps, cuts, and who is wanted."""

from __future__ import annotations

import pytest

from vid2vid_cli.conditioning.tracking import PATIENCE, Tracker
from vid2vid_cli.core.errors import ConfigError

HEIGHT, WIDTH = 480, 640


def person(x: float, y: float = 240, high: float = 200) -> tuple[float, float, float, float]:
    """A box three times as high as wide about (x, y)."""
    return (x - high / 6, y - high / 2, x + high / 6, y + high / 2)


def choose(tracker: Tracker, *boxes: tuple[float, float, float, float], cut: bool = False) -> int | None:
    return tracker.choose(boxes, [1.0] * len(boxes), HEIGHT, WIDTH, cut=cut)


@pytest.mark.parametrize(("who", "index"), [("largest", 1), ("centre", 2), ("1", 3), ("3", 0), ("4", 1), ("5", None)])
def test_who_is_taken(who: str, index: int | None) -> None:
    boxes = [person(400, high=90), person(600, high=220), person(330, high=100), person(100)]
    assert choose(Tracker(who), *boxes) == index


def test_a_ghost_is_not_preferred() -> None:
    boxes = [person(100, high=220), person(400, high=200)]
    assert Tracker("largest").choose(boxes, [0.3, 0.9], HEIGHT, WIDTH) == 1
    assert Tracker("largest").choose(boxes, [0.0, 0.0], HEIGHT, WIDTH) is None


@pytest.mark.parametrize("who", ["", "tallest", "0", "-1", "1.5"])
def test_nobody_is_refused(who: str) -> None:
    with pytest.raises(ConfigError, match="largest, centre, or 1, 2"):
        Tracker(who)


def test_boxes_in_any_order() -> None:
    tracker = Tracker("1")
    assert choose(tracker, person(100), person(400)) == 0
    assert choose(tracker, person(405), person(104)) == 1


def test_the_larger_one_is_not_taken_later() -> None:
    tracker = Tracker("largest")
    assert choose(tracker, person(100, high=200), person(400, high=150)) == 0
    for high in range(150, 300, 10):
        assert choose(tracker, person(100, high=200), person(400, high=high)) == 0


@pytest.mark.parametrize("behind", [True, False], ids=["behind", "in front"])
@pytest.mark.parametrize("speed", [2.0, 4.0, 9.0, 23.0])
def test_people_who_cross_keep_their_names(speed: float, behind: bool) -> None:
    """They meet in the middle, where only the one in front is seen: whoever is wanted is then taken to be there."""
    tracker = Tracker("1")
    for index in range(int(400 / speed)):
        left, right = person(100 + speed * index), person(500 - speed * index, 245)
        near = abs(left[0] - right[0]) < 40
        boxes = [right if behind else left] if near else [right, left] if index % 2 else [left, right]
        chosen = choose(tracker, *boxes)
        assert chosen is not None
        if not near:
            assert boxes[chosen] == left


def test_a_gap_is_waited_through() -> None:
    tracker = Tracker("largest")
    for index in range(5):
        assert choose(tracker, person(300 + 4 * index), person(100, high=120)) == 0
    for _ in range(PATIENCE - 1):
        assert choose(tracker, person(100, high=120)) is None
    assert choose(tracker, person(100, high=120), person(380)) == 1


def test_who_leaves_the_picture_and_returns_is_the_same() -> None:
    tracker = Tracker("2")
    way = [400 + 20 * i for i in range(11)] + [None] * 12 + [610 - 20 * i for i in range(11)]
    for x in way:
        boxes = [person(150)] + ([person(x)] if x else [])
        assert choose(tracker, *boxes) == (1 if x else None)


def test_after_patience_another_is_taken() -> None:
    tracker = Tracker("largest")
    assert choose(tracker, person(500), person(100, high=120)) == 0
    answers = [choose(tracker, person(100, high=120)) for _ in range(PATIENCE + 1)]
    assert answers == [None] * PATIENCE + [0]


def test_the_second_waits_for_a_second() -> None:
    tracker = Tracker("2")
    assert choose(tracker, person(300)) is None
    assert choose(tracker, person(303), person(100)) == 0
    assert choose(tracker, person(100), person(306)) == 1


def test_a_cut_begins_anew() -> None:
    tracker = Tracker("largest")
    assert choose(tracker, person(500)) == 0
    assert tracker.box == person(500)
    assert choose(tracker, person(100), cut=True) == 0
    assert tracker.box == person(100)
    assert choose(tracker, cut=True) is None
    assert tracker.box is None


def test_several_people_keep_their_places() -> None:
    tracker = Tracker("largest", people=2)
    scores = [1.0, 1.0, 1.0]
    assert tracker.follow([person(100, high=150), person(300), person(500, high=180)], scores, HEIGHT, WIDTH) == [1, 2]
    assert tracker.follow([person(305), person(100, high=150)], scores[:2], HEIGHT, WIDTH) == [0, None]
    assert tracker.follow([person(500, high=180), person(100, high=150)], scores[:2], HEIGHT, WIDTH) == [None, 0]


def test_several_from_the_second_on() -> None:
    tracker = Tracker("2", people=2)
    assert tracker.follow([person(100)], [1.0], HEIGHT, WIDTH) == [None, None]
    assert tracker.follow([person(400), person(100)], [1.0, 1.0], HEIGHT, WIDTH) == [0, 1]


def test_broken_boxes_are_nobody() -> None:
    nan = float("nan")
    assert choose(Tracker("largest"), (nan, nan, nan, nan), (10, 10, 10, 20), person(300)) == 2


SEEN = (
    [(232, 455), (484, 729)], [(236, 460), (424, 722)], [(242, 465), (499, 717)], [(245, 467), (493, 709)],
    [(252, 470), (465, 702)], [(256, 474), (441, 708)], [(261, 475), (467, 703)], [(268, 472), (440, 711)],
    [(275, 477), (422, 703)], [(283, 474), (436, 700)], [(284, 510), (432, 633)],
    [(298, 552), (408, 613), (362, 672)],
    [(303, 522)], [(310, 561)], [(323, 572)], [(333, 593)], [(336, 565)], [(343, 577)], [(358, 574)], [(361, 579)],
    [(373, 579)], [(373, 580)], [(374, 583)], [(373, 589)], [(371, 591)], [(371, 602)], [(361, 608)], [(352, 611)],
    [(348, 605)], [(344, 572)], [(355, 559)], [(388, 560)], [(393, 537)], [(399, 566)],
    [(377, 564), (449, 652)], [(437, 664), (370, 478)], [(460, 685)], [(461, 691), (319, 481)],
    [(466, 712), (309, 486)], [(446, 720), (303, 472)], [(465, 730), (282, 484)],
    [(487, 733), (277, 480)], [(479, 730), (272, 488)],
)  # fmt: skip
"""Left and right edges of the boxes of two dancers who cross, as MediaPipe found them: limbs of both mixed, a ghost
where they meet, one skeleton while one hides the other."""


def test_two_dancers_as_a_detector_sees_them() -> None:
    for who, place in (("1", 0), ("2", 1)):
        tracker = Tracker(who)
        for edges in SEEN:
            boxes = [(float(x0), 40.0, float(x1), 515.0) for x0, x1 in edges]
            chosen = tracker.choose(boxes, [1.0] * len(boxes), 540, 960)
        assert chosen == place, "who came from the left is on the right at the end"


def test_many_people_cost_little() -> None:
    tracker = Tracker("7", people=3)
    for frame in range(20):
        boxes = [person(30 * i + frame, 200 + 20 * (i % 3), high=100) for i in range(20)]
        chosen = tracker.follow(boxes, [1.0] * 20, HEIGHT, WIDTH)
        assert chosen[0] == 6
