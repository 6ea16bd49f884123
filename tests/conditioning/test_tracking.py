"""Tracking of people: crossings, gaps, cuts, and selection."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.conditioning import VideoFrame
from vid2vid_cli.conditioning.tracking import MAX_MISSING_FRAMES, Tracker
from vid2vid_cli.core.errors import ConfigError

HEIGHT, WIDTH = 480, 640
BLANK_FRAME = VideoFrame(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
BLANK_CUT = VideoFrame(BLANK_FRAME.rgb, is_cut=True)


def person_box(x: float, y: float = 240, height: float = 200) -> tuple[float, float, float, float]:
    """A box centred at (x, y), three times as high as wide."""
    return (x - height / 6, y - height / 2, x + height / 6, y + height / 2)


def update_single(tracker: Tracker, *boxes: tuple[float, float, float, float], is_cut: bool = False) -> int | None:
    return tracker.update_single(boxes, [1.0] * len(boxes), BLANK_CUT if is_cut else BLANK_FRAME)


@pytest.mark.parametrize(
    ("person", "index"), [("largest", 1), ("centre", 2), ("1", 3), ("3", 0), ("4", 1), ("5", None)]
)
def test_tracker_selects_person(person: str, index: int | None) -> None:
    boxes = [person_box(400, height=90), person_box(600, height=220), person_box(330, height=100), person_box(100)]
    assert update_single(Tracker(person), *boxes) == index


def test_tracker_does_not_prefer_uncertain_detection() -> None:
    boxes = [person_box(100, height=220), person_box(400, height=200)]
    assert Tracker("largest").update_single(boxes, [0.3, 0.9], BLANK_FRAME) == 1
    assert Tracker("largest").update_single(boxes, [0.0, 0.0], BLANK_FRAME) is None


@pytest.mark.parametrize("person", ["", "tallest", "0", "-1", "1.5"])
def test_tracker_rejects_invalid_person(person: str) -> None:
    with pytest.raises(ConfigError, match="person"):
        Tracker(person)


def test_tracker_ignores_box_order() -> None:
    tracker = Tracker("1")
    assert update_single(tracker, person_box(100), person_box(400)) == 0
    assert update_single(tracker, person_box(405), person_box(104)) == 1


def test_tracker_keeps_selection_when_another_grows() -> None:
    tracker = Tracker("largest")
    assert update_single(tracker, person_box(100, height=200), person_box(400, height=150)) == 0
    for height in range(150, 300, 10):
        assert update_single(tracker, person_box(100, height=200), person_box(400, height=height)) == 0


@pytest.mark.parametrize("is_behind", [True, False], ids=["behind", "in front"])
@pytest.mark.parametrize("speed", [2.0, 4.0, 9.0, 23.0])
def test_tracker_follows_people_who_cross(speed: float, is_behind: bool) -> None:
    """Where two people meet, only the one in front is detected; the selected person is assumed to be there."""
    tracker = Tracker("1")
    for index in range(int(400 / speed)):
        left, right = person_box(100 + speed * index), person_box(500 - speed * index, 245)
        is_merged = abs(left[0] - right[0]) < 40
        boxes = [right if is_behind else left] if is_merged else [right, left] if index % 2 else [left, right]
        selected_index = update_single(tracker, *boxes)
        assert selected_index is not None
        if not is_merged:
            assert boxes[selected_index] == left


def test_tracker_bridges_gaps() -> None:
    tracker = Tracker("largest")
    for index in range(5):
        assert update_single(tracker, person_box(300 + 4 * index), person_box(100, height=120)) == 0
    for _ in range(MAX_MISSING_FRAMES - 1):
        assert update_single(tracker, person_box(100, height=120)) is None
    assert update_single(tracker, person_box(100, height=120), person_box(380)) == 1


def test_tracker_recognises_returning_person() -> None:
    tracker = Tracker("2")
    positions = [400 + 20 * i for i in range(11)] + [None] * 12 + [610 - 20 * i for i in range(11)]
    for x in positions:
        boxes = [person_box(150)] + ([person_box(x)] if x else [])
        assert update_single(tracker, *boxes) == (1 if x else None)


def test_tracker_replaces_unconfirmed_person_and_warns() -> None:
    """A selected box that was detected only once may be a false detection."""
    tracker = Tracker("largest")
    assert update_single(tracker, person_box(500), person_box(100, height=120)) == 0
    selected_indices = [update_single(tracker, person_box(100, height=120)) for _ in range(MAX_MISSING_FRAMES + 1)]
    assert selected_indices == [None] * MAX_MISSING_FRAMES + [0]
    assert len(tracker.warnings) == 1


RED, GREEN, BLUE = (200, 40, 40), (40, 160, 60), (50, 60, 190)


def update_coloured(tracker: Tracker, *people: tuple[float, tuple[int, int, int]], height: float = 200) -> int | None:
    """Update with people at x in clothes of one colour; the last one is in front."""
    boxes = [person_box(x, height=height) for x, _ in people]
    rgb = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    for (x0, y0, x1, y1), (_, colour) in zip(boxes, people, strict=True):
        rgb[round(y0) : round(y1), max(round(x0), 0) : max(round(x1), 0)] = colour
    return tracker.update_single(boxes, [1.0] * len(boxes), VideoFrame(rgb))


@pytest.mark.parametrize("person", ["largest", "1"])
@pytest.mark.parametrize("num_absent", [10, MAX_MISSING_FRAMES + 20, 400])
@pytest.mark.parametrize("search_interval", [1, 5], ids=["others always found", "others found at intervals"])
def test_tracker_returns_to_absent_person(person: str, num_absent: int, search_interval: int) -> None:
    """Both wear the same clothes; the other one is known from the frames that showed both."""
    tracker = Tracker(person)
    for index in range(20):
        others = [(400, RED)] if index % search_interval == 0 else []
        assert update_coloured(tracker, (100, RED), *others) == 0
    assert [update_coloured(tracker, (400, RED)) for _ in range(num_absent)] == [None] * num_absent
    selected_indices = [update_coloured(tracker, (400, RED), (110, RED)) for _ in range(4)]
    assert selected_indices[-1] == 1
    assert 0 not in selected_indices


def test_tracker_recognises_absent_person_elsewhere_by_appearance() -> None:
    tracker = Tracker("largest")
    for _ in range(10):
        assert update_coloured(tracker, (100, RED)) == 0
    for _ in range(MAX_MISSING_FRAMES + 10):
        assert update_coloured(tracker) is None
    strangers_then_person = [update_coloured(tracker, (450, GREEN), (320, BLUE)) for _ in range(20)]
    strangers_then_person += [update_coloured(tracker, (450, GREEN), (320, BLUE), (560, RED)) for _ in range(4)]
    assert strangers_then_person == [None] * 22 + [2, 2]


def test_tracker_does_not_annotate_person_who_hides_the_selected_one() -> None:
    """The box that covers both has the colours of the person in front."""
    tracker = Tracker("1")
    for index in range(20):
        assert update_coloured(tracker, (200, RED), (420 - 10 * index, GREEN)) == 0
    for _ in range(50):
        assert update_coloured(tracker, (220, GREEN)) is None
    selected_indices = [update_coloured(tracker, (230 + 10 * index, GREEN), (205, RED)) for index in range(8)]
    assert selected_indices[-1] == 1
    assert 0 not in selected_indices


def test_tracker_keeps_slots_of_absent_people() -> None:
    """A person who returns gets neither a free slot nor the slot of another person."""
    tracker = Tracker("1", num_people=3)
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    both = [person_box(100), person_box(400)]
    for _ in range(10):
        assert tracker.update(both, [1.0, 1.0], VideoFrame(rgb)) == [0, 1, None]
    for _ in range(MAX_MISSING_FRAMES + 10):
        assert tracker.update(both[1:], [1.0], VideoFrame(rgb)) == [None, 0, None]
    for _ in range(4):
        selected = tracker.update(both, [1.0, 1.0], VideoFrame(rgb))
    assert selected == [0, 1, None]
    assert tracker.warnings == ["num_people=3: at most 2 people were detected on one frame."]


def test_tracker_warnings_give_number_of_people() -> None:
    tracker = Tracker("3")
    for _ in range(5):
        assert update_single(tracker, person_box(100), person_box(400)) is None
    assert tracker.warnings == ["person=3: at most 2 people were detected on one frame."]
    boxes = [person_box(100), person_box(300), person_box(500)]
    assert update_single(tracker, *boxes, is_cut=True) == 2
    assert tracker.warnings == ["person=3: at most 2 people were detected on one frame in 1 of 2 shots."]
    assert Tracker("1").warnings == []


def test_tracker_waits_for_second_person() -> None:
    tracker = Tracker("2")
    assert update_single(tracker, person_box(300)) is None
    assert update_single(tracker, person_box(303), person_box(100)) == 0
    assert update_single(tracker, person_box(100), person_box(306)) == 1


def test_tracker_resets_at_cut() -> None:
    tracker = Tracker("largest")
    assert update_single(tracker, person_box(500)) == 0
    assert tracker.box == person_box(500)
    assert update_single(tracker, person_box(100), is_cut=True) == 0
    assert tracker.box == person_box(100)
    assert update_single(tracker, is_cut=True) is None
    assert tracker.box is None


def test_tracker_keeps_order_of_several_people() -> None:
    tracker = Tracker("largest", num_people=2)
    scores = [1.0, 1.0, 1.0]
    boxes = [person_box(100, height=150), person_box(300), person_box(500, height=180)]
    assert tracker.update(boxes, scores, BLANK_FRAME) == [1, 2]
    assert tracker.update([person_box(305), person_box(100, height=150)], scores[:2], BLANK_FRAME) == [0, None]
    assert tracker.update([person_box(500, height=180), person_box(100, height=150)], scores[:2], BLANK_FRAME) == [
        None,
        0,
    ]


def test_tracker_selects_several_from_second_person() -> None:
    tracker = Tracker("2", num_people=2)
    assert tracker.update([person_box(100)], [1.0], BLANK_FRAME) == [None, None]
    assert tracker.update([person_box(400), person_box(100)], [1.0, 1.0], BLANK_FRAME) == [0, 1]


def test_tracker_ignores_invalid_boxes() -> None:
    nan = float("nan")
    assert update_single(Tracker("largest"), (nan, nan, nan, nan), (10, 10, 10, 20), person_box(300)) == 2


DETECTED_EDGES = (
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
"""Left and right box edges of two dancers who cross, as detected by MediaPipe: mixed limbs, a false detection where
they meet, and one skeleton while one dancer occludes the other."""


def test_tracker_follows_dancers_in_detector_output() -> None:
    for person, expected_index in (("1", 0), ("2", 1)):
        tracker = Tracker(person)
        for edges in DETECTED_EDGES:
            boxes = [(float(x0), 40.0, float(x1), 515.0) for x0, x1 in edges]
            selected_index = tracker.update_single(
                boxes, [1.0] * len(boxes), VideoFrame(np.zeros((540, 960, 3), np.uint8))
            )
        assert selected_index == expected_index


def test_tracker_handles_many_people() -> None:
    tracker = Tracker("7", num_people=3)
    for frame in range(20):
        boxes = [person_box(30 * i + frame, 200 + 20 * (i % 3), height=100) for i in range(20)]
        selected_index = tracker.update(boxes, [1.0] * 20, BLANK_FRAME)
        assert selected_index[0] == 6
