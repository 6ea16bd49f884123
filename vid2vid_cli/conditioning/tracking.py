"""People over time: which box of this frame is whom of the last one, and which of them is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import Box

PATIENCE = 30
"""Frames for which a person who is not seen is waited for, and nobody else taken instead."""
REACH = 0.6
"""How far somebody moves between two frames at most, as a share of their longer side."""
GROWTH = 0.05
"""By how much of it this reach grows with every frame on which they were not seen."""
RESIZE = 2.0
"""How much larger or smaller somebody looks from one sight to the next at most."""
INERTIA = 0.5
"""Weight of the old velocity when a new one is seen, and how fast it fades where none is."""
RETURN = 0.25
"""Added to the cost of coming back where one was lost, rather than where one was heading; in longer sides."""

Vector = NDArray[np.float64]


def check_person(value: Any) -> str:
    """Who is wanted: `largest`, `centre`, or a number from 1. Raises: ValueError."""
    text = str(value).strip().lower()
    text = {"center": "centre"}.get(text, text)
    if text in ("largest", "centre") or (text.isdecimal() and int(text) >= 1):
        return text
    raise ValueError(f"{value} is nobody: write largest, centre, or 1, 2, ... from left to right")


Person = Annotated[str, BeforeValidator(check_person)]
"""Type of the option `person` of a conditioner that follows people."""


@dataclass
class _Track:
    """One person as they were last seen."""

    box: Box
    velocity: Vector
    """Of the centre, per frame."""
    missing: int = 0
    """Frames since then."""
    slot: int | None = None
    """Which of the wanted people this is."""


class Tracker:
    """Follows people by their boxes and says which are wanted; of one video, fed every frame in order.

    Everybody is followed, the wanted or not, so that who passes in front is not mistaken for who is behind. Boxes go
    to the person whose place, continued at constant velocity, they are nearest to, best pair first (greedy). Whoever
    is not seen keeps their name for `patience` frames.
    """

    def __init__(self, who: str, people: int = 1, patience: int = PATIENCE) -> None:
        """`who` comes first: `largest`, `centre` (of the picture), or N: the N-th from the left on the first frame
        that shows so many. `people`: how many are wanted in all.

        Raises: ConfigError.
        """
        try:
            self.who = check_person(who)
        except ValueError as error:
            raise ConfigError(f"{error}.", "Set --person largest, --person centre, or --person 2.") from error
        self.people = people
        self.patience = patience
        self._tracks: list[_Track] = []

    @property
    def box(self) -> Box | None:
        """The box of the first wanted person when last seen; None while there is nobody to wait for."""
        return self.boxes[0]

    @property
    def boxes(self) -> list[Box | None]:
        """As `box`, for all wanted people."""
        last: list[Box | None] = [None] * self.people
        for track in self._tracks:
            if track.slot is not None:
                last[track.slot] = track.box
        return last

    def forget(self) -> None:
        """A new scene: the next people are other people."""
        self._tracks = []

    def choose(
        self, boxes: Sequence[Box], scores: Sequence[float], height: int, width: int, *, cut: bool = False
    ) -> int | None:
        """Which of `boxes` (x0, y0, x1, y1) on a frame of height x width is the wanted person; None: not there."""
        return self.follow(boxes, scores, height, width, cut=cut)[0]

    def follow(
        self, boxes: Sequence[Box], scores: Sequence[float], height: int, width: int, *, cut: bool = False
    ) -> list[int | None]:
        """As `choose`, for all wanted people: one entry each, the same person in the same place on every frame."""
        if cut:
            self.forget()
        sound = [i for i, (box, score) in enumerate(zip(boxes, scores, strict=True)) if _sound(box, score)]
        seen = self._associate(boxes, sound)
        for track in self._tracks:
            if id(track) not in seen:
                track.missing += 1
        self._tracks = [track for track in self._tracks if track.missing <= self.patience]
        self._take(seen, boxes, scores, height, width)
        chosen: list[int | None] = [None] * self.people
        for track in self._tracks:
            if track.slot is not None:
                chosen[track.slot] = seen.get(id(track))
        return chosen

    def _associate(self, boxes: Sequence[Box], sound: list[int]) -> dict[int, int]:
        """Update the tracks; {id of a track: index of its box} for all that are seen, new ones included."""
        pairs = [
            (cost, place, index)
            for place, track in enumerate(self._tracks)
            for index in sound
            if (cost := _cost(track, boxes[index])) is not None
        ]
        seen: dict[int, int] = {}
        free = set(sound)
        for _, place, index in sorted(pairs):
            track = self._tracks[place]
            if index in free and id(track) not in seen:
                _update(track, boxes[index])
                seen[id(track)] = index
                free.discard(index)
        for index in sorted(free):
            self._tracks.append(_Track(boxes[index], np.zeros(2)))
            seen[id(self._tracks[-1])] = index
        return seen

    def _take(
        self, seen: dict[int, int], boxes: Sequence[Box], scores: Sequence[float], height: int, width: int
    ) -> None:
        """Give the places of wanted people that nobody has to people who are seen and have none."""
        empty = [slot for slot in range(self.people) if all(track.slot != slot for track in self._tracks)]
        if not empty:
            return
        there = [track for track in self._tracks if id(track) in seen]
        if self.who.isdecimal():
            there.sort(key=lambda track: track.box[0] + track.box[2])
            first = int(self.who) - 1
            if 0 in empty:
                if first >= len(there) or there[first].slot is not None:
                    return  # the others are known only when it is known who comes first
                there[first].slot = 0
        elif self.who == "centre":
            middle = np.array([width, height]) / 2
            there.sort(key=lambda track: float(np.hypot(*(_centre(track.box) - middle))))
        else:
            # A ghost, half guessed, is not preferred to a person.
            there.sort(key=lambda track: -_area(track.box) * scores[seen[id(track)]])
        slots = [slot for slot in empty if all(track.slot != slot for track in self._tracks)]
        nobodies = [track for track in there if track.slot is None]
        for slot, track in zip(slots, nobodies, strict=False):
            track.slot = slot


def _cost(track: _Track, box: Box) -> float | None:
    """How badly `box` fits, in longer sides of the track's; None where it cannot be the same person."""
    before, now = _side(track.box), _side(box)
    if not 1 / RESIZE < now / before < RESIZE:
        return None
    reach = REACH * (1 + GROWTH * track.missing)
    step = _step(track)
    away = float(np.hypot(*(_centre(box) - _centre(track.box) - step))) / before
    if track.missing:
        away = min(away, float(np.hypot(*(_centre(box) - _centre(track.box)))) / before + RETURN)
    if away >= reach:
        return None
    x0, y0, x1, y1 = track.box
    moved = (x0 + step[0], y0 + step[1], x1 + step[0], y1 + step[1])
    return away + 0.5 * (1 - _overlap(moved, box))


def _step(track: _Track) -> Vector:
    """From where somebody was last seen to where they are expected: constant velocity that fades when unseen."""
    frames = sum(INERTIA ** (i / 4) for i in range(track.missing + 1))
    way: Vector = frames * track.velocity
    return way


def _update(track: _Track, box: Box) -> None:
    seen = (_centre(box) - _centre(track.box)) / (track.missing + 1)
    track.velocity = INERTIA * track.velocity + (1 - INERTIA) * seen
    track.box, track.missing = box, 0


def _sound(box: Box, score: float) -> bool:
    return bool(np.isfinite(box).all()) and score > 0 and box[2] > box[0] and box[3] > box[1]


def _centre(box: Box) -> Vector:
    middle: Vector = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], dtype=np.float64)
    return middle


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    return wide * high / (_area(one) + _area(other) - wide * high)
