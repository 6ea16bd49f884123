"""What all ways of finding people have in common: people on a frame, and parts of a frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vid2vid_cli.conditioning import Bytes, Floats
from vid2vid_pose.topology import BODY, CORE, NAMES, empty

Box = tuple[float, float, float, float]

SEEN = 0.1
"""Least confidence of a joint that counts for a person's place and score."""


@dataclass(frozen=True)
class Person:
    """Somebody on a frame: points (n, 3) by name, x and y in pixels and a confidence; NaN where not found."""

    points: Mapping[str, Floats]
    box: Box = field(init=False)
    """About the joints that are seen; NaN where there are none."""
    score: float = field(init=False)
    """Mean confidence of the joints that are seen times their share of the core joints."""

    def __post_init__(self) -> None:
        body = self.points.get("body", empty(BODY))
        seen = body[np.isfinite(body).all(axis=1) & (body[:, 2] >= SEEN)]
        box = (float("nan"),) * 4 if len(seen) == 0 else (*seen[:, :2].min(axis=0), *seen[:, :2].max(axis=0))
        object.__setattr__(self, "box", tuple(float(value) for value in box))
        object.__setattr__(self, "score", score_of(body))


def score_of(body: Floats) -> float:
    """How well somebody is seen, 0..1: mean confidence of the core joints that are seen times their share of all."""
    core = body[:CORE]
    sure = np.isfinite(core).all(axis=1) & (np.nan_to_num(core[:, 2]) >= SEEN)
    return float(np.clip(core[sure, 2], 0, 1).sum() / CORE) if sure.any() else 0.0


class Backend(ABC):
    """A way of finding people for one video; use as a context manager."""

    names: tuple[str, ...] = ("body",)
    """Which points it gives, among `topology.NAMES`."""
    smooth: float = 0.006
    """How much of the jitter to remove where the user does not say; see `following.Smoother`."""

    @abstractmethod
    def people(self, frame: Bytes, index: int, near: Sequence[Box]) -> list[Person]:
        """Everybody on the next frame, the `index`-th; `near`: boxes of those who are followed, when last seen."""

    def finish(self, frame: Bytes, person: Person) -> Person:
        """Somebody who is wanted, with what is looked for on them alone."""
        return person

    def forget(self) -> None:
        """A new scene begins with the next frame."""
        return

    def close(self) -> None:
        """Give back what the library holds."""
        return

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def shapes(names: Sequence[str], people: int) -> dict[str, tuple[int, int]]:
    """The shape of each of the points in an annotation."""
    return {name: (people * count, 3) for name, count in NAMES.items() if name in names}


@dataclass(frozen=True)
class Piece:
    """A part of a frame, as it is, and where it lies."""

    image: Bytes
    x: int
    y: int

    def points(self, shares: Floats) -> Floats:
        """Points (n, 2) given as shares 0..1 of the part's sides, in pixels of the frame (centres)."""
        height, width = self.image.shape[:2]
        size = np.array([width, height], dtype=np.float32)
        places: Floats = (shares * size - 0.5 + np.array([self.x, self.y])).astype(np.float32)
        return places


def piece(frame: Bytes, box: Box | None = None) -> Piece:
    """The part of a frame within `box`, at least 8 pixels a side where the frame has them; None: all of it."""
    height, width = frame.shape[:2]
    if box is None:
        return Piece(np.ascontiguousarray(frame), 0, 0)
    x0, y0 = int(np.clip(box[0], 0, max(width - 8, 0))), int(np.clip(box[1], 0, max(height - 8, 0)))
    x1, y1 = int(np.clip(np.ceil(box[2]), x0 + 8, width)), int(np.clip(np.ceil(box[3]), y0 + 8, height))
    return Piece(np.ascontiguousarray(frame[y0:y1, x0:x1]), x0, y0)
