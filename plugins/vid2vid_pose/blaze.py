"""MediaPipe's pose landmarks as a backend: the vendored model through the Tasks API.

One landmarker follows somebody from frame to frame, which is fast and steady; another looks for everybody, which
costs more than twice as much. So people are looked for at first, now and then, when the followed one is lost, and on
every frame only while somebody else is close.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import Bytes, Floats, overlap
from vid2vid_pose.backend import Backend, Box, Person, Piece, around, piece
from vid2vid_pose.parts import Parts
from vid2vid_pose.tasks import Landmarker, own_model
from vid2vid_pose.topology import from_blaze

CANDIDATES = 4
"""People that are looked for; more than two cost no more."""
ALONE, TOGETHER = 30, 10
"""Frames between two looks for others while one is followed: where nobody else was seen, and where somebody was."""
EVERY = 6
"""Frames between two searches in parts of the frame where nobody is known."""
LARGE = 0.3
"""Share of the frame's longer side from which on somebody is found on the whole frame, which is seen at 224 x 224."""
ROOM = 2.0
"""Side of the square about somebody that is looked at, in their longer sides."""
PRESENT = 0.05
"""Least probability that a point is in the picture at all."""
OUTSIDE = 0.1
"""How far outside the picture a point may lie, as a share of its shorter side: limbs that leave it stay drawn."""
SAME = 0.15
"""Overlap (intersection over union) from which on two boxes of successive frames are one person's."""


class Blaze(Backend):
    """Follows one person, or looks for all on every frame."""

    def __init__(self, people: int = 1, parts: Parts | None = None) -> None:
        """`people`: how many are wanted. Raises: MissingPackageError, MissingWeightsError."""
        self._model = own_model()
        self._many = people > 1
        self._parts = parts
        self.names = ("body", *(parts.names if parts is not None else ()))
        self._search = Landmarker("Pose", self._model, video=False, many=CANDIDATES)
        self._video: Landmarker | None = None
        self._window: Box | None = None
        self._others: list[Box] = []
        self._count = self._empty = 0

    def people(self, frame: Bytes, index: int, near: Sequence[Box]) -> list[Person]:
        """Everybody who is looked for on this frame; at least whoever is followed, if found."""
        self._count += 1
        held = self._follow(frame, near[0]) if near and not self._many else None
        due = self._count % (TOGETHER if self._others else ALONE) == 0
        if held is not None and not due and not self._close(held.box):
            return [held]
        found = self.look(frame, near if held is None else ())
        # Of two answers about one person the follower's is the steadier.
        found = found if held is None else [held, *_new(found, [held])]
        mine = held.box if held is not None else near[0] if near else None
        self._others = [one.box for one in found if mine is None or overlap(one.box, mine) <= SAME]
        return found

    def look(self, frame: Bytes, near: Sequence[Box]) -> list[Person]:
        """Everybody on the frame: the whole of it, about those who are missed, and now and then in parts."""
        found = self._find(piece(frame))
        for box in near:
            if not any(overlap(person.box, box) > SAME for person in found):
                found += _new(self._find(piece(frame, around(box, ROOM))), found)
        if not found and not near:
            if self._empty % EVERY == 0:
                for part in _parts(*frame.shape[:2]):
                    found += _new(self._find(piece(frame, part)), found)
            self._empty += 1
        if found:
            self._empty = 0
        return found

    def finish(self, frame: Bytes, person: Person) -> Person:
        """Hands and face, where models are given."""
        return person if self._parts is None else self._parts.add(frame, person)

    def forget(self) -> None:
        """A new scene: nobody is followed."""
        self._window, self._others, self._empty = None, [], 0

    def _follow(self, frame: Bytes, near: Box) -> Person | None:
        """The followed person, looked at alone; None where that cannot be done or does not succeed."""
        if self._window is None or not _inside(around(near, 1.1), self._window, frame):
            self._window = None
            if self._close(near):
                return None  # it might take hold of somebody else
            self._window = _whole(frame) if _large(near, frame) and not self._others else around(near, ROOM)
            self._restart()
        assert self._video is not None
        part = piece(frame, self._window)
        found = _persons(self._video.see(part.image), part)
        if not found or overlap(found[0].box, near) <= SAME:
            self._window = None
            return None
        return found[0]

    def _close(self, box: Box) -> bool:
        """Whether anybody else was last seen close by."""
        room = around(box, ROOM)
        return any(overlap(room, other) > 0 for other in self._others)

    def _restart(self) -> None:
        """Make the landmarker forget whom it follows: it sees nobody for a frame."""
        if self._video is None:
            self._video = Landmarker("Pose", self._model, video=True, many=1)
        else:
            self._video.see(np.zeros((64, 64, 3), dtype=np.uint8))

    def _find(self, part: Piece) -> list[Person]:
        return _persons(self._search.see(part.image), part)

    def close(self) -> None:
        """End MediaPipe's threads; left to its destructor it complains at exit."""
        for one in (self._video, self._search, self._parts):
            if one is not None:
                one.close()


def _persons(result: Any, part: Piece) -> list[Person]:
    return [person for marks in result.pose_landmarks if (person := _person(marks, part)).score > 0]


def _person(marks: Any, part: Piece) -> Person:
    """BODY_25 of the 33 points; what is not in the picture is not there."""
    points: Floats = np.array([(mark.x, mark.y, mark.visibility) for mark in marks], dtype=np.float32)
    presence = np.array([mark.presence for mark in marks])
    height, width = part.image.shape[:2]
    margin = OUTSIDE * min(height, width) / np.array([width, height])
    inside = ((points[:, :2] >= -margin) & (points[:, :2] <= 1 + margin)).all(axis=1)
    points[:, :2] = part.points(points[:, :2])
    points[~inside | (presence < PRESENT)] = np.nan
    return Person({"body": from_blaze(points)})


def _new(found: list[Person], known: list[Person]) -> list[Person]:
    """Those of `found` who are not among the known."""
    return [one for one in found if not any(overlap(one.box, other.box) > 0.5 for other in known)]


def _parts(height: int, width: int) -> list[Box]:
    """Overlapping squares over the frame, for people who are small on it."""
    side = 0.6 * min(height, width)
    lefts, tops = np.arange(0, width - side + 1, side / 2), np.arange(0, height - side + 1, side / 2)
    return [(float(x), float(y), float(x + side), float(y + side)) for y in tops for x in lefts][:16]


def _whole(frame: Bytes) -> Box:
    height, width = frame.shape[:2]
    return 0.0, 0.0, float(width), float(height)


def _large(box: Box, frame: Bytes) -> bool:
    return bool(max(box[2] - box[0], box[3] - box[1]) >= LARGE * max(frame.shape[:2]))


def _inside(box: Box, window: Box, frame: Bytes) -> bool:
    """Whether what lies in the frame of `box` lies in `window`."""
    whole = _whole(frame)
    return all(max(box[i], whole[i]) >= window[i] and min(box[i + 2], whole[i + 2]) <= window[i + 2] for i in (0, 1))
