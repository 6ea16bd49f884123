"""Tracking of hands with a scripted network: squares, turns, motion with the forearm, and rejected hands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from helpers.synthetic_people import Points, hand_keypoints, person_keypoints
from numpy.typing import NDArray
from vid2vid_pose.hand_network import HandSquare, MeasuredHand
from vid2vid_pose.hand_tracking import HandTracker, forearm_length, search_square, square_around_hand

from vid2vid_cli.conditioning import UInt8Array

FRAME = np.zeros((300, 320, 3), np.uint8)
WRISTS = {"left_hand": 7, "right_hand": 4}


class ScriptedNetwork:
    """Gives the hand of the arm whose wrist is closer to the square; `hands` can be changed between frames."""

    def __init__(self, hands: Mapping[str, MeasuredHand]) -> None:
        self.hands = dict(hands)
        self.names: list[str] = []
        """The hands that were measured."""

    def measure(self, frame: UInt8Array, square: HandSquare) -> MeasuredHand:
        name = min(self.hands, key=lambda name: float(np.hypot(*(self.hands[name].positions[0] - square.centre))))
        self.names.append(name)
        return self.hands[name]


def make_hand(positions: NDArray[np.float32], *, presence: float = 0.9, side_prob: float = 0.5) -> MeasuredHand:
    return MeasuredHand(positions[:, :2].astype(np.float64), presence, side_prob)


def hands_of(body: Points, size: float = 10) -> dict[str, MeasuredHand]:
    return {name: make_hand(hand_keypoints(*body[wrist, :2], size)) for name, wrist in WRISTS.items()}


def detected_names(points: Mapping[str, Points]) -> list[str]:
    return [name for name, rows in points.items() if np.isfinite(rows).all()]


@pytest.mark.parametrize(("name", "side"), [("right_hand", 1), ("left_hand", -1)])
def test_square_shows_the_hand_upright(name: str, side: int) -> None:
    hand = hand_keypoints(100, 80)[:, :2].astype(np.float64)  # the fingers point down
    square = square_around_hand(hand, name)
    np.testing.assert_allclose(square.up, [0, 1], atol=0.05)
    matrix = square.to_input()
    positions = hand @ matrix[:, :2].T + matrix[:, 2]
    assert positions[0, 1] > positions[[4, 8, 12, 16, 20], 1].max() + 50
    assert ((positions > 0) & (positions < 224)).all()
    assert side * (positions[4, 0] - positions[20, 0]) > 20  # only left hands are mirrored


def test_search_square_lies_beyond_the_wrist() -> None:
    body = person_keypoints(160, 30, 200)
    square = search_square(body, "right_hand")
    assert forearm_length(body, "right_hand") == pytest.approx(33, abs=1)
    assert square.side == pytest.approx(1.6 * 33, abs=2)
    assert square.centre[1] > body[4, 1] + 5
    body[4, :2] = body[3, :2] + 2  # foreshortened
    assert search_square(body, "right_hand").side > 40
    body[3] = np.nan  # without the elbow
    assert np.isfinite(search_square(body, "right_hand").to_input()).all()


def test_hands_take_turns() -> None:
    body = person_keypoints(160, 30, 200)
    network = ScriptedNetwork(hands_of(body))
    tracker = HandTracker(network)
    assert detected_names(tracker.track(FRAME, 0, body)) == ["left_hand", "right_hand"]
    assert sorted(network.names) == ["left_hand"] * 2 + ["right_hand"] * 2  # twice each: search and refinement
    network.names.clear()
    palm = float(np.hypot(*np.diff(network.hands["left_hand"].positions[[0, 9]], axis=0)[0]))
    shifts = [0.5, -0.5, 0, 0, 0.5, 0, 0.5]  # the hands move relative to their forearms between two measurements

    def track(index: int, names: list[str]) -> list[str]:
        x = palm * shifts[index - 1]
        wrists = {name: body[WRISTS[name]] for name in names}
        network.hands = {name: make_hand(hand_keypoints(wrist[0] + x, wrist[1], 10)) for name, wrist in wrists.items()}
        return detected_names(tracker.track(FRAME, index, body))

    for index in range(1, 5):
        assert track(index, ["left_hand", "right_hand"]) == ["left_hand", "right_hand"]
    assert network.names in (["left_hand", "right_hand"] * 2, ["right_hand", "left_hand"] * 2)
    network.names.clear()
    body[4, 2] = 0.1  # the right wrist is hidden: the left hand is measured on every frame
    for index in range(5, 8):
        assert track(index, ["left_hand"]) == ["left_hand"]
    assert network.names == ["left_hand"] * 3


@pytest.mark.parametrize(("presence", "expected"), [(0.9, [1, 1, 0] * 4), (0.99, [1, 1, 0, 0] * 3)])
def test_steady_hands_are_measured_less_often(presence: float, expected: list[int]) -> None:
    """On every third frame, on every fourth one if the network is certain."""
    body = person_keypoints(160, 30, 200)
    network = ScriptedNetwork({n: replace(hand, presence=presence) for n, hand in hands_of(body).items()})
    tracker = HandTracker(network)
    tracker.track(FRAME, 0, body)
    counts = []
    for index in range(1, 13):
        network.names.clear()
        assert detected_names(tracker.track(FRAME, index, body)) == ["left_hand", "right_hand"]
        counts.append(len(network.names))
    assert counts == expected


def test_hands_that_are_not_found_are_searched_on_every_second_frame() -> None:
    """From the third time on; a cut begins anew, and a hand that is there again is found."""
    body = person_keypoints(160, 30, 200)
    network = ScriptedNetwork({name: replace(hand, presence=0.01) for name, hand in hands_of(body).items()})
    tracker = HandTracker(network)
    counts = []
    for index in (0, 1, 2, 3, 4, 5, 6, 100, 101, 102, 103, 104):
        network.names.clear()
        assert detected_names(tracker.track(FRAME, index, body)) == []
        counts.append(len(network.names))
    assert counts == [2, 2, 2, 0, 2, 0, 2, 2, 2, 2, 0, 2]
    network.hands = hands_of(body)
    assert detected_names(tracker.track(FRAME, 105, body)) == []
    assert detected_names(tracker.track(FRAME, 106, body)) == ["left_hand", "right_hand"]


def test_hand_moves_with_its_forearm_until_its_turn() -> None:
    body = person_keypoints(160, 30, 200)
    network = ScriptedNetwork(hands_of(body))
    tracker = HandTracker(network)
    tracker.track(FRAME, 0, body)
    first_points = tracker.track(FRAME, 1, body)
    network.names.clear()
    moved_body = body.copy()
    for elbow, wrist in ((3, 4), (6, 7)):  # both forearms turn by 90 degrees, and the body moves by 5 pixels
        x, y = body[wrist, :2] - body[elbow, :2]
        moved_body[wrist, :2] = body[elbow, :2] + [-y, x]
    moved_body[:, 0] += 5
    network.hands = hands_of(moved_body)
    points = tracker.track(FRAME, 2, moved_body)
    (measured_name,) = network.names
    (name,) = set(WRISTS) - {measured_name}
    expected = (first_points[name][:, :2] - body[WRISTS[name], :2]) @ np.array([[0, 1], [-1, 0]])
    np.testing.assert_allclose(points[name][:, :2] - moved_body[WRISTS[name], :2], expected, atol=0.5)


def test_resting_hand_does_not_follow_the_noise_of_the_wrist() -> None:
    rng, body = np.random.default_rng(0), person_keypoints(160, 30, 200)
    tracker = HandTracker(ScriptedNetwork(hands_of(body)))
    first_points = tracker.track(FRAME, 0, body)
    for index in range(1, 8):
        noisy_body = body.copy()
        noisy_body[:, :2] += rng.uniform(-0.7, 0.7, (25, 2))
        points = tracker.track(FRAME, index, noisy_body)
        assert all(np.abs(points[name] - first_points[name]).max() < 0.6 for name in WRISTS)


def test_lost_hand_is_searched_at_once() -> None:
    body = person_keypoints(160, 30, 200)
    body[4] = np.nan
    network = ScriptedNetwork({"left_hand": hands_of(body)["left_hand"]})
    tracker = HandTracker(network)
    tracker.track(FRAME, 0, body)
    network.hands["left_hand"] = make_hand(hand_keypoints(*body[7, :2], 10), presence=0.02)
    network.names.clear()
    assert detected_names(tracker.track(FRAME, 1, body)) == []
    assert len(network.names) == 2


@pytest.mark.parametrize(
    ("offset", "size", "side_prob", "is_accepted"),
    [(0, 10, 0.9, True), (0, 10, 0.1, True), (0, 80, 0.9, True), (0, 80, 0.1, False), (30, 10, 0.9, False)],
)
def test_hands_of_others_are_rejected(offset: float, size: float, side_prob: float, is_accepted: bool) -> None:
    """A hand far from the wrist; and a large one, of a person closer to the camera, of the other side."""
    body = person_keypoints(160, 30, 200)
    body[7] = np.nan
    hand = make_hand(hand_keypoints(body[4, 0] + offset, body[4, 1], size), side_prob=side_prob)
    points = HandTracker(ScriptedNetwork({"right_hand": hand})).track(FRAME, 0, body)
    assert detected_names(points) == (["right_hand"] if is_accepted else [])


def test_one_hand_is_not_both() -> None:
    """Folded arms: both searches find the hand that is closer to the right wrist."""
    body = person_keypoints(160, 30, 200)
    body[7, :2] = body[4, :2] + [6, 0]
    hand = make_hand(hand_keypoints(body[4, 0] + 1, body[4, 1], 10))
    points = HandTracker(ScriptedNetwork({"right_hand": hand})).track(FRAME, 0, body)
    assert detected_names(points) == ["right_hand"]


def test_gap_discards_the_tracked_hands() -> None:
    body = person_keypoints(160, 30, 200)
    network = ScriptedNetwork(hands_of(body))
    tracker = HandTracker(network)
    tracker.track(FRAME, 0, body)
    network.names.clear()
    tracker.track(FRAME, 7, body)
    assert len(network.names) == 4
