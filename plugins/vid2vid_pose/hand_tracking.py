"""Tracking of the two hands of one person, from the wrists of the body; at most one network run per frame and person.

The square of a hand that is not tracked lies on the extension of the forearm, and is measured twice, because the wrist
may be bent. The square of a tracked hand follows from its last points (as in MediaPipe Hands: Zhang et al.,
arXiv:2006.10214), moved with the forearm. While both wrists are visible, the hands take turns: one is measured, the
other keeps its shape and moves with its forearm. A hand that moves with its forearm is measured on every third or
fourth frame, one that is not found on every second.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, UInt8Array
from vid2vid_pose.hand_network import Float64Array, HandSquare, MeasuredHand
from vid2vid_pose.topology import NUM_HAND_POINTS, missing_points

AnyPositions = NDArray[np.floating[Any]]

ARM_JOINTS = {"left_hand": (6, 7), "right_hand": (3, 4)}
"""Elbow and wrist."""
MIN_WRIST_CONFIDENCE = 0.3
"""Minimum confidence of the wrist: MediaPipe estimates hidden wrists at lower ones."""
FOREARM_PER_TORSO = 0.5
"""Minimum forearm length in torso lengths, for foreshortened forearms."""
HAND_CENTRE_OFFSET = 0.35
"""Distance of the hand's centre from the wrist in forearm lengths."""
SEARCH_SQUARE_SIDE = 1.6
"""Side of the square of a hand that is not tracked, in forearm lengths."""
SQUARE_SCALE, SQUARE_SHIFT = 2.0, 0.1
"""Side of the square in sizes of the palm, and its shift to the fingers in heights of the palm, as in MediaPipe."""
PALM_POINTS = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
MIN_PRESENCE, MIN_SEARCH_PRESENCE = 0.5, 0.7
"""Minimum presence of a tracked hand, and of one that is not tracked."""
MIN_REFINE_PRESENCE = 0.2
"""Minimum presence in the search square for a second measurement."""
MAX_PALM_LENGTH, MIN_SIDE_PROB = 0.42, 0.35
"""A palm longer than this, in forearm lengths, must be of the arm's side with this probability: it may belong to
another person closer to the camera. The side of a hand that is seen from its edge is uncertain."""
MAX_WRIST_DISTANCE = 0.5
"""Maximum distance of the hand's wrist from the body's, in forearm lengths."""
MIN_HAND_DISTANCE = 0.3
"""Minimum mean distance of the points of both hands in palm lengths; closer ones are the same hand."""

STEADY_INTERVALS = ((0.1, 0.97, 4), (0.4, 0.0, 3))
"""A hand whose points were measured within a mean distance, in palm lengths, of where it was expected, with at least a
presence, is measured again after a number of frames."""
MAX_FAILED_SEARCHES, SEARCH_INTERVAL = 3, 2
"""A hand that was not found this number of times in a row is searched on every second frame."""
WRIST_NOISE = 0.1
"""Noise of the body's joints in forearm lengths: hands follow smaller motions of the forearm only in part."""


class Network(Protocol):
    """What a tracker needs of `HandNetwork`."""

    def measure(self, frame: UInt8Array, square: HandSquare) -> MeasuredHand:
        """Locate the points of the hand in the square."""


class HandTracker:
    """The hands of one person on the frames of a video, in order."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._hands: dict[str, FloatArray] = {}
        """Points (21, 3) of the tracked hands on the last frame."""
        self._body: FloatArray | None = None
        self._frame_index = -1
        self._ages = dict.fromkeys(ARM_JOINTS, 0)
        """Frames since the last measurement of each hand."""
        self._intervals = dict.fromkeys(ARM_JOINTS, 1)
        """Frames from the last measurement of each hand to the next one."""
        self._failed_searches = dict.fromkeys(ARM_JOINTS, 0)
        """Number of times in a row that each hand was not found."""

    def track(self, frame: UInt8Array, frame_index: int, body: FloatArray) -> dict[str, FloatArray]:
        """Points (21, 3) of both hands of `body` (25, 3); NaN where a hand is not detected."""
        if self._body is None or frame_index != self._frame_index + 1:
            self._hands = {}
            self._intervals, self._failed_searches = dict.fromkeys(ARM_JOINTS, 1), dict.fromkeys(ARM_JOINTS, 0)
        visible_names = [name for name, (_, wrist) in ARM_JOINTS.items() if is_confident(body, wrist)]
        moved_hands = {name: self._move(name, body) for name in visible_names if name in self._hands}
        due_names = [name for name in visible_names if self._ages[name] + 1 >= self._intervals[name]]
        due_names = self._select_oldest(due_names, body) if self._hands else due_names
        self._hands = moved_hands
        self._ages = {name: age + 1 for name, age in self._ages.items()}
        for name in due_names:
            self._measure(name, frame, body)
        self._body, self._frame_index = body, frame_index
        return {name: self._hands.get(name, missing_points(NUM_HAND_POINTS)) for name in ARM_JOINTS}

    def _select_oldest(self, names: list[str], body: FloatArray) -> list[str]:
        """The hand that was measured the longest time ago, as a list; of equal ones that whose wrist moved more."""
        assert self._body is not None
        offsets = {name: body[wrist, :2] - self._body[wrist, :2] for name, (_, wrist) in ARM_JOINTS.items()}
        return sorted(names, key=lambda name: (self._ages[name], float(np.hypot(*offsets[name]))))[-1:]

    def _measure(self, name: str, frame: UInt8Array, body: FloatArray) -> None:
        """Measure a hand and add it to the tracked ones, or remove it from them."""
        tracked_hand = self._hands.pop(name, None)
        self._ages[name], self._intervals[name] = 0, 1
        hand = None
        if tracked_hand is not None:
            hand = self._network.measure(frame, square_around_hand(tracked_hand[:, :2].astype(np.float64), name))
        if hand is None or hand.presence < MIN_PRESENCE:
            hand = self._search(name, frame, body)
        if hand is None or not belongs_to_arm(hand, body, name):
            self._failed_searches[name] += 1
            self._intervals[name] = SEARCH_INTERVAL if self._failed_searches[name] >= MAX_FAILED_SEARCHES else 1
            return
        self._failed_searches[name] = 0
        points = np.column_stack([hand.positions, np.full(NUM_HAND_POINTS, hand.presence)])
        self._hands[name] = points.astype(np.float32)
        if tracked_hand is not None:
            self._intervals[name] = measurement_interval(tracked_hand, hand)
        self._remove_duplicate(body)

    def _search(self, name: str, frame: UInt8Array, body: FloatArray) -> MeasuredHand | None:
        """Measure the hand of an arm twice, the second time in the square around the first result."""
        hand = self._network.measure(frame, search_square(body, name))
        if hand.presence < MIN_REFINE_PRESENCE:
            return None
        hand = self._network.measure(frame, square_around_hand(hand.positions, name))
        return hand if hand.presence >= MIN_SEARCH_PRESENCE else None

    def _remove_duplicate(self, body: FloatArray) -> None:
        """If both hands have the same points, keep the one that is closer to its wrist."""
        if len(self._hands) < 2:
            return
        left, right = (self._hands[name][:, :2] for name in ARM_JOINTS)
        if float(np.linalg.norm(left - right, axis=1).mean()) < MIN_HAND_DISTANCE * palm_length(left):
            distances = {name: wrist_distance(self._hands[name][:, :2], body, name) for name in ARM_JOINTS}
            del self._hands[max(distances, key=distances.__getitem__)]

    def _move(self, name: str, body: FloatArray) -> FloatArray:
        """The tracked hand, moved and turned with its forearm since the last frame, less at motions d of noise size n.

        The factor d^2 / (d^2 + n^2) is that of `PoseSmoother`.
        """
        assert self._body is not None
        elbow, wrist = ARM_JOINTS[name]
        old_wrist, new_wrist = self._body[wrist, :2], body[wrist, :2]
        rotation = np.eye(2)
        if is_confident(self._body, elbow) and is_confident(body, elbow):
            old_x, old_y = old_wrist - self._body[elbow, :2]
            new_x, new_y = new_wrist - body[elbow, :2]
            angle = np.arctan2(old_x * new_y - old_y * new_x, old_x * new_x + old_y * new_y)
            rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = self._hands[name].copy()
        offsets = (points[:, :2] - old_wrist) @ rotation.T + new_wrist - points[:, :2]
        squared_motion = float((offsets**2).sum(axis=1).mean())
        points[:, :2] += offsets * squared_motion / (squared_motion + (WRIST_NOISE * forearm_length(body, name)) ** 2)
        return points


def measurement_interval(expected: FloatArray, hand: MeasuredHand) -> int:
    """Frames until a tracked hand, which was expected at the points (21, 3), is measured again."""
    distances = np.linalg.norm(expected[:, :2] - hand.positions, axis=1)
    error = float(distances.mean()) / max(palm_length(hand.positions), 1e-6)
    intervals = (
        interval
        for max_error, min_presence, interval in STEADY_INTERVALS
        if error < max_error and hand.presence >= min_presence
    )
    return next(intervals, 1)


def is_confident(body: FloatArray, joint: int) -> bool:
    """Whether the joint was detected with sufficient confidence."""
    return bool(np.isfinite(body[joint, :2]).all() and np.nan_to_num(body[joint, 2]) >= MIN_WRIST_CONFIDENCE)


def forearm_length(body: FloatArray, name: str) -> float:
    """Length of the forearm in pixels, at least half a torso; NaN if neither is known."""
    elbow, wrist = ARM_JOINTS[name]
    torso, forearm = np.hypot(*(body[1, :2] - body[8, :2])), np.hypot(*(body[wrist, :2] - body[elbow, :2]))
    return float(np.fmax(forearm, FOREARM_PER_TORSO * torso))


def palm_length(hand: AnyPositions) -> float:
    """Distance from the wrist to the base of the middle finger in pixels."""
    return float(np.hypot(*(hand[9] - hand[0])))


def wrist_distance(hand: AnyPositions, body: FloatArray, name: str) -> float:
    """Distance of the hand's wrist from the body's, in forearm lengths."""
    return float(np.hypot(*(hand[0] - body[ARM_JOINTS[name][1], :2]))) / forearm_length(body, name)


def belongs_to_arm(hand: MeasuredHand, body: FloatArray, name: str) -> bool:
    """Whether the hand is near the arm's wrist and, if it is large, of the arm's side."""
    is_near = wrist_distance(hand.positions, body, name) <= MAX_WRIST_DISTANCE
    is_small = palm_length(hand.positions) <= MAX_PALM_LENGTH * forearm_length(body, name)
    return is_near and (is_small or hand.side_prob >= MIN_SIDE_PROB)


def search_square(body: FloatArray, name: str) -> HandSquare:
    """The square of a hand on the extension of its forearm."""
    elbow, wrist = ARM_JOINTS[name]
    forearm = (body[wrist, :2] - body[elbow, :2]).astype(np.float64)
    length = float(np.hypot(*forearm))
    up = forearm / length if length > 0 else np.array([0.0, 1.0])
    scale = forearm_length(body, name)
    centre = body[wrist, :2] + HAND_CENTRE_OFFSET * scale * up
    return HandSquare(centre, up, SEARCH_SQUARE_SIDE * scale, is_left=name == "left_hand")


def square_around_hand(positions: Float64Array, name: str) -> HandSquare:
    """The upright square around the palm (and lower fingers) of the hand `name` (21, 2)."""
    direction = (positions[5] + 2 * positions[9] + positions[13]) / 4 - positions[0]
    up = direction / max(float(np.hypot(*direction)), 1e-6)
    axes = np.stack([np.array([-up[1], up[0]]), up])
    palm = positions[list(PALM_POINTS)] @ axes.T
    low, high = palm.min(axis=0), palm.max(axis=0)
    centre = (low + high) / 2 + np.array([0, SQUARE_SHIFT * (high - low)[1]])
    side = SQUARE_SCALE * max(float((high - low).max()), 1.0)
    return HandSquare(centre @ axes, up, side, is_left=name == "left_hand")
