"""People over time: which box of this frame is whom of the last one, and which of them is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from vid2vid_cli.conditioning.boxes import area, centre, overlap
from vid2vid_cli.conditioning.person import check_person
from vid2vid_cli.conditioning.track import Track, cost_of, crossed
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import Box

PATIENCE = 30
"""Frames for which a person who is not seen is waited for, and nobody else taken instead."""
MERGED = 0.2
"""Overlap (intersection over union) with where somebody should be, from which on a box may show them too."""
BRIEF = 3
"""Frames without a sight after which whoever passes is no longer taken for who hides them."""
KNOWN = 5
"""Sights after which somebody is no mistake of the detector, and may be hidden behind somebody."""


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
        self._tracks: list[Track] = []

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
        self._tracks = [track for track in self._tracks if track.missing <= self._patience(track)]
        for index in [index for index in sound if index not in seen.values()]:
            self._tracks.append(Track(boxes[index], centre(boxes[index])))
            seen[id(self._tracks[-1])] = index
        self._take(seen, boxes, scores, height, width)
        chosen: list[int | None] = [None] * self.people
        for track in self._tracks:
            if track.slot is not None:
                chosen[track.slot] = seen.get(id(track))
        return chosen

    def _associate(self, boxes: Sequence[Box], sound: list[int]) -> dict[int, int]:
        """{id of a track: index of its box} for all that are known from before and seen."""
        costs: dict[tuple[int, int], float] = {}
        for track in self._tracks:
            expected = track.expected
            for index in sound:
                cost = cost_of(track, expected, boxes[index])
                if cost is not None:
                    costs[id(track), index] = cost
        seen: dict[int, int] = {}
        for name, index in sorted(costs, key=costs.__getitem__):
            if index not in seen.values() and name not in seen:
                seen[name] = index
        tracks = {id(track): track for track in self._tracks}
        for one, other in combinations(seen, 2):
            mine, yours = seen[one], seen[other]
            if (one, yours) not in costs or (other, mine) not in costs:
                continue
            gain = costs[one, mine] + costs[other, yours] - costs[one, yours] - costs[other, mine]
            if crossed(tracks[one], tracks[other], boxes[mine], boxes[yours], gain):
                seen[one], seen[other] = yours, mine
        return seen

    def _move(self, seen: dict[int, int], boxes: Sequence[Box]) -> None:
        """Bring every track to this frame; where two are seen as one, `seen` has the wanted one."""
        merged: set[int] = set()
        for track in self._tracks:
            gone = track.missing > BRIEF or track.hidden >= self.patience
            if id(track) in seen or track.sights < KNOWN or gone:
                continue
            rival = max(self._tracks, key=lambda other: _shows(other, track, seen, boxes))
            if _shows(rival, track, seen, boxes) > (0.0 if track.hidden else MERGED):
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

    def _patience(self, track: Track) -> int:
        """Frames for which somebody is waited for; briefly for who may be a mistake of the detector."""
        return self.patience if track.slot is not None or track.sights >= KNOWN else BRIEF

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


def _shows(rival: Track, hidden: Track, seen: dict[int, int], boxes: Sequence[Box]) -> float:
    """How well the box of `rival` would fit `hidden` as well, 0..1."""
    if rival is hidden or id(rival) not in seen or rival.sights < KNOWN:
        return 0.0
    return overlap(hidden.expected, boxes[seen[id(rival)]])


def _sound(box: Box, score: float) -> bool:
    return bool(np.isfinite(box).all()) and score > 0 and box[2] > box[0] and box[3] > box[1]
