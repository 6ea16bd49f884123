"""MediaPipe's pose landmarks as a backend: the vendored model through the Tasks API.

One landmarker follows somebody from frame to frame, which is fast and steady; another looks for everybody, which
costs more than twice as much. So people are looked for at first, now and then, when the followed one is lost, and on
every frame only while somebody else is close.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import Bytes, Floats, around, overlap
from vid2vid_pose.backend import Backend, Box, Person, Piece, piece
from vid2vid_pose.hands_and_face import Parts
from vid2vid_pose.mediapipe_tasks import Landmarker, own_model
from vid2vid_pose.topology import from_blaze

CANDIDATES = 4
"""People that are looked for; more than two cost no more."""
ALONE, TOGETHER, CLOSE = 30, 10, 5
"""Frames between two looks for others while one is followed: nobody else was seen, somebody was, somebody is near."""
LARGE = 0.3
"""Share of the frame's longer side from which on somebody is found on the whole frame, which is seen at 224 x 224."""
ROOM = 3.0
"""Side of the square about somebody small that is looked at, in their longer sides."""
TOUCH = 1.2
"""How much larger than their boxes people are: within this, one may be taken for the other."""
TILES = (0.6, 0.3)
"""Sides of the squares in which people are looked for who are small on the frame, in its shorter sides."""
SMALLEST = 96
"""Pixels of a square's side below which nobody on it could be told from a shrub."""
AT_ONCE = 4
"""Such squares that are looked at on each frame on which nobody is known; all of them where a shot begins."""
SURE = 0.3
"""Least score of somebody who is found in such a square: they are many, and shrubs are not people."""
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
        self._all = False
        """Whether whoever is followed is among the others: it was not known yet who that is."""
        self._count = self._met = 0
        self._turn: int | None = None
        """Which square comes next; None: a shot begins."""

    def people(self, frame: Bytes, index: int, near: Sequence[Box]) -> list[Person]:
        """Everybody who is looked for on this frame; at least whoever is followed, if found."""
        self._count += 1
        if near and self._all:
            self._others = [box for box in self._others if overlap(box, near[0]) <= SAME]
            self._all = False
        held = self._follow(frame, near[0]) if near and not self._many else None
        if held is not None and self._count % self._every(held.box):
            return [held]
        found = self.look(frame, near if held is None else ())
        # Of two answers about one person the follower's is the steadier.
        found = found if held is None else [held, *_new(found, [held])]
        mine = held.box if held is not None else near[0] if near else None
        self._all = mine is None
        others = [one.box for one in found if mine is None or overlap(one.box, mine) <= SAME]
        if others or self._count - self._met > ALONE:  # whoever vanishes may be behind somebody
            self._others, self._met = others, self._count
        return found

    def look(self, frame: Bytes, near: Sequence[Box]) -> list[Person]:
        """Everybody on the frame: the whole of it, about those who are missed, in parts where nobody is known."""
        found = self._find(piece(frame))
        for box in near:
            if not any(overlap(person.box, box) > SAME for person in found):
                found += _new(self._find(piece(frame, around(box, ROOM))), found)
        if not found and not near:
            tiles = _tiles(*frame.shape[:2])
            count = len(tiles) if self._turn is None else AT_ONCE
            for turn in range(count if tiles else 0):
                part = piece(frame, tiles[((self._turn or 0) + turn) % len(tiles)])
                found += _new([one for one in self._find(part) if one.score >= SURE], found)
            self._turn = ((self._turn or 0) + count) % max(len(tiles), 1)
        return found

    def finish(self, frame: Bytes, person: Person) -> Person:
        """Hands and face, where models are given."""
        return person if self._parts is None else self._parts.add(frame, person)

    def forget(self) -> None:
        """A new scene: nobody is followed."""
        self._window, self._others, self._turn = None, [], None

    def _follow(self, frame: Bytes, near: Box) -> Person | None:
        """The followed person, looked at alone; None where that cannot be done or does not succeed."""
        part = None
        if self._window is None or not _inside(around(near, TOUCH), self._window, frame):
            self._window = None
            if self._touched(near):
                return None  # it might take hold of somebody else
            self._restart()
            self._window = _whole(frame) if _large(near, frame) else around(near, ROOM)
            part = _alone(piece(frame, self._window), near)
        part = part or piece(frame, self._window)
        assert self._video is not None
        found = _persons(self._video.see(part.image), part)
        if not found or overlap(found[0].box, near) <= SAME:
            self._window = None
            return None
        return found[0]

    def _every(self, box: Box) -> int:
        """Frames between two looks for others."""
        if not self._others:
            return ALONE
        if self._touched(box):
            return 1
        return CLOSE if any(overlap(around(box, ROOM), other) > 0 for other in self._others) else TOGETHER

    def _touched(self, box: Box) -> bool:
        """Whether somebody else was last seen in front, behind or beside."""
        return any(overlap(_grown(box), _grown(other)) > 0 for other in self._others)

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


def _tiles(height: int, width: int) -> list[Box]:
    """Overlapping squares over the frame, for people who are small on it; at most 64."""
    squares = []
    for side in (share * min(height, width) for share in TILES):
        if side < SMALLEST:
            break
        lefts, tops = np.arange(0, width - side / 2, side / 2), np.arange(0, height - side / 2, side / 2)
        squares += [(float(x), float(y), float(x + side), float(y + side)) for y in tops for x in lefts]
    return squares[:64]


def _alone(part: Piece, box: Box) -> Piece:
    """The part with nothing but what is about `box`, so that nobody else is taken hold of."""
    image = np.zeros_like(part.image)
    x0, y0, x1, y1 = _grown(box)
    left, top, right, bottom = (max(int(edge), 0) for edge in (x0 - part.x, y0 - part.y, x1 - part.x, y1 - part.y))
    image[top:bottom, left:right] = part.image[top:bottom, left:right]
    return Piece(image, part.x, part.y)


def _grown(box: Box) -> Box:
    """A box that holds hands, feet and the top of the head besides the joints."""
    x, y = (TOUCH - 1) / 2 * (box[2] - box[0]), (TOUCH - 1) / 2 * (box[3] - box[1])
    return box[0] - x, box[1] - y, box[2] + x, box[3] + y


def _whole(frame: Bytes) -> Box:
    height, width = frame.shape[:2]
    return 0.0, 0.0, float(width), float(height)


def _large(box: Box, frame: Bytes) -> bool:
    return bool(max(box[2] - box[0], box[3] - box[1]) >= LARGE * max(frame.shape[:2]))


def _inside(box: Box, window: Box, frame: Bytes) -> bool:
    """Whether what lies in the frame of `box` lies in `window`."""
    whole = _whole(frame)
    return all(max(box[i], whole[i]) >= window[i] and min(box[i + 2], whole[i + 2]) <= window[i + 2] for i in (0, 1))
