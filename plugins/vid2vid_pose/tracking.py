"""People from frame to frame: who is wanted, jitter removed, brought into one annotation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Bytes, CutDetector, Floats, Tracker
from vid2vid_pose.backend import Backend, Person, shapes
from vid2vid_pose.topology import NAMES, empty

GROUPS: dict[str, tuple[tuple[int, ...], ...]] = {
    "body": (
        (0, 15, 16, 17, 18),  # head
        (1, 2, 5, 8, 9, 12),  # torso
        (3, 4), (6, 7),  # arms
        (10, 11, 22, 23, 24), (13, 14, 19, 20, 21),  # legs
    ),
    "left_hand": (tuple(range(21)),),
    "right_hand": (tuple(range(21)),),
    "face": (tuple(range(70)),),
}  # fmt: skip
"""Points that move together."""


class Follower:
    """All frames of one video in order, each as an annotation of the people who are wanted."""

    def __init__(self, backend: Backend, who: str, people: int, smooth: float | None) -> None:
        self._backend = backend
        self._tracker = Tracker(who, people)
        self._cuts = CutDetector()
        amount = backend.smooth if smooth is None else smooth
        self._smoothers = [Smoother(amount) for _ in range(people)]
        self._index = 0

    def annotate(self, frame: Bytes) -> Annotation:
        """The wanted people on the next frame."""
        height, width = frame.shape[:2]
        if self._cuts(frame):
            self._tracker.forget()
            self._backend.forget()
        near = [box for box in self._tracker.boxes if box is not None]
        people = self._backend.people(frame, self._index, near)
        self._index += 1
        boxes, scores = [person.box for person in people], [person.score for person in people]
        wanted: list[Person | None] = []
        for place, chosen in enumerate(self._tracker.follow(boxes, scores, height, width)):
            if chosen is None:
                self._smoothers[place].forget()
                wanted.append(None)
            else:
                wanted.append(self._smoothers[place](self._backend.finish(frame, people[chosen])))
        return gathered(wanted, self._backend.names, height, width)


def gathered(people: Sequence[Person | None], names: Sequence[str], height: int, width: int) -> Annotation:
    """One annotation, person after person; its quality is the mean of those who are there, 0 where nobody is."""
    points = {
        name: np.concatenate(
            [empty(NAMES[name]) if one is None else one.points.get(name, empty(NAMES[name])) for one in people]
        )
        for name in shapes(names, len(people))
    }
    scores = [one.score for one in people if one is not None]
    return Annotation(height, width, float(np.mean(scores)) if scores else 0.0, points)


class Smoother:
    """Adaptive exponential smoothing of one person's points, causal; strong at rest, absent in motion.

    Each group of points has its own weight r^2 / (r^2 + n^2), r being how far its points are from their smoothed
    places (root mean square) and n the size of jitter: `amount` times the person's longer side. So jitter of size n is
    halved and the lag of slow motion never exceeds about n. The weight never falls below `LEAST`, so that no rest stays
    behind. A point that comes is taken as it is, one that goes is forgotten.
    """

    LEAST = 0.25

    def __init__(self, amount: float) -> None:
        self._amount = amount
        self._state: dict[str, NDArray[np.float64]] = {}

    def forget(self) -> None:
        """The next points have nothing to do with the last: a gap or a cut."""
        self._state = {}

    def __call__(self, person: Person) -> Person:
        """The person with steadier points."""
        x0, y0, x1, y1 = person.box
        noise = self._amount * max(x1 - x0, y1 - y0)
        if not noise > 0:
            return person
        return Person({name: self._steady(name, points, noise) for name, points in person.points.items()})

    def _steady(self, name: str, points: Floats, noise: float) -> Floats:
        new = points[:, :2].astype(np.float64)
        old = self._state.get(name, np.full_like(new, np.nan))
        away = new - old
        square = (away**2).sum(axis=1)
        weight = np.ones(len(new))
        for group in GROUPS[name]:
            members = list(group)
            known = square[members][np.isfinite(square[members])]
            if len(known):
                weight[members] = max(known.mean() / (known.mean() + noise**2), self.LEAST)
        steady = np.where(np.isfinite(old), old + weight[:, None] * away, new)
        self._state[name] = np.where(np.isfinite(new), steady, np.nan)
        return np.column_stack([self._state[name], points[:, 2]]).astype(np.float32)
