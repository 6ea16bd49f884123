"""People over time: which box of this frame is whom of the last one, and which of them is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vid2vid_cli.conditioning.boxes import Vector, area, centre, overlap, side
from vid2vid_cli.conditioning.person import check_person
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
MEMORY = 9
"""Steps whose median is the velocity; the boxes of two who meet jump for a frame or two."""
FADE = 0.85
"""By which the velocity of somebody who is not seen fades with every frame."""
ABSENT, RETURN = 0.2, 0.25
"""Added to the cost of a place, in longer sides: of one who was not seen last; where one was, not was heading."""
MERGED = 0.2
"""Overlap (intersection over union) with where somebody should be, from which on a box may show them too."""
BRIEF = 3
"""Frames without a sight after which whoever passes is no longer taken for who hides them."""
KNOWN = 5
"""Sights after which somebody is no mistake of the detector, and may be hidden behind somebody."""


@dataclass
class _Track:
    """One person as they were last seen."""

    box: Box
    spot: Vector
    """Where their centre was then; while they are seen as one with somebody, where it should be."""
    steps: list[Vector] = field(default_factory=list)
    """Of the centre, per frame."""
    sights: int = 1
    """Frames on which they were seen."""
    missing: int = 0
    """Frames since then."""
    hidden: int = 0
    """Frames for which they have been hidden behind somebody."""
    shared: bool = False
    """Whether the box shows somebody else as well."""
    slot: int | None = None
    """Which of the wanted people this is."""

    @property
    def velocity(self) -> Vector:
        """Of the centre, per frame."""
        return np.median(self.steps, axis=0) if self.steps else np.zeros(2)

    @property
    def expected(self) -> Box:
        """Where they should be on the next frame: constant velocity, which fades while they are not seen."""
        frames = sum(FADE**i for i in range(self.missing + 1))
        x, y = self.spot + frames * self.velocity
        wide, high = (self.box[2] - self.box[0]) / 2, (self.box[3] - self.box[1]) / 2
        return float(x - wide), float(y - high), float(x + wide), float(y + high)

    def see(self, box: Box) -> None:
        """Take the next sight."""
        step = (centre(box) - self.spot) / (self.missing + 1)
        self.steps = [*self.steps[1 - MEMORY :], step]
        self.box, self.spot = box, centre(box)
        self.sights, self.missing, self.hidden, self.shared = self.sights + 1, 0, 0, False


class Tracker:
    """Follows people by their boxes and says which are wanted; of one video, fed every frame in order.

    Everybody is followed, the wanted or not, so that who passes in front is not mistaken for who is behind. Boxes go
    to the person whose place, continued at constant velocity, they are nearest to, best pair first (greedy). While two
    are seen as one, the box is the wanted one's and both are taken to move on as they did. Whoever is not seen keeps
    their name for `patience` frames.
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
        self._move(seen, boxes)
        self._tracks = [track for track in self._tracks if track.missing <= self.patience]
        for index in [index for index in sound if index not in seen.values()]:
            self._tracks.append(_Track(boxes[index], centre(boxes[index])))
            seen[id(self._tracks[-1])] = index
        self._take(seen, boxes, scores, height, width)
        chosen: list[int | None] = [None] * self.people
        for track in self._tracks:
            if track.slot is not None:
                chosen[track.slot] = seen.get(id(track))
        return chosen

    def _associate(self, boxes: Sequence[Box], sound: list[int]) -> dict[int, int]:
        """{id of a track: index of its box} for all that are known from before and seen."""
        pairs = [
            (cost, place, index)
            for place, track in enumerate(self._tracks)
            for index in sound
            if (cost := _cost(track, boxes[index])) is not None
        ]
        seen: dict[int, int] = {}
        for _, place, index in sorted(pairs):
            track = self._tracks[place]
            if index not in seen.values() and id(track) not in seen:
                seen[id(track)] = index
        return seen

    def _move(self, seen: dict[int, int], boxes: Sequence[Box]) -> None:
        """Bring every track to this frame; where two are seen as one, `seen` has the wanted one."""
        merged: set[int] = set()
        for track in self._tracks:
            gone = track.missing > BRIEF or track.hidden >= self.patience
            if id(track) in seen or track.sights < KNOWN or gone:
                continue
            rival = max(self._tracks, key=lambda other: _shows(other, track, seen, boxes))
            if _shows(rival, track, seen, boxes) > MERGED:
                track.hidden += 1
                merged |= {id(track), id(rival)}
                if track.slot is not None and rival.slot is None:
                    seen[id(track)] = seen.pop(id(rival))
        for track in self._tracks:
            index = seen.get(id(track))
            if id(track) in merged:
                track.spot = track.spot + track.velocity
                track.box, track.shared = (track.box, False) if index is None else (boxes[index], True)
            elif index is None:
                track.missing += 1
            else:
                track.see(boxes[index])

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
            there.sort(key=lambda track: float(np.hypot(*(centre(track.box) - middle))))
        else:
            # A ghost, half guessed, is not preferred to a person.
            there.sort(key=lambda track: -area(track.box) * scores[seen[id(track)]])
        slots = [slot for slot in empty if all(track.slot != slot for track in self._tracks)]
        nobodies = [track for track in there if track.slot is None]
        for slot, track in zip(slots, nobodies, strict=False):
            track.slot = slot


def _cost(track: _Track, box: Box) -> float | None:
    """How badly `box` fits, in longer sides of the track's; None where it cannot be the same person."""
    before = side(track.box)
    if not 1 / RESIZE < side(box) / before < RESIZE:
        return None
    reach = REACH * (1 + GROWTH * track.missing)
    unseen = bool(track.missing or track.hidden)
    places = [(track.expected, ABSENT if unseen else 0.0)]
    if unseen or track.shared:
        places.append((track.box, RETURN))
    fits = [
        extra + away + 0.5 * (1 - overlap(place, box))
        for place, extra in places
        if (away := float(np.hypot(*(centre(box) - centre(place)))) / before) < reach
    ]
    return min(fits, default=None)


def _shows(rival: _Track, hidden: _Track, seen: dict[int, int], boxes: Sequence[Box]) -> float:
    """How well the box of `rival` would fit `hidden` as well, 0..1."""
    if rival is hidden or id(rival) not in seen or rival.sights < KNOWN:
        return 0.0
    return overlap(hidden.expected, boxes[seen[id(rival)]])


def _sound(box: Box, score: float) -> bool:
    return bool(np.isfinite(box).all()) and score > 0 and box[2] > box[0] and box[3] > box[1]
