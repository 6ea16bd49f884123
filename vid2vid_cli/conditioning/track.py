"""One person over time, as the tracker knows them: where they were, where they are going, what fits them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vid2vid_cli.conditioning.boxes import Vector, centre, overlap, side
from vid2vid_cli.core.geometry import Box

REACH = 0.6
"""How far somebody moves between two frames at most, as a share of their longer side."""
GROWTH = 0.05
"""By how much of it this reach grows with every frame on which they were not seen."""
RESIZE = 2.0
"""How much larger or smaller somebody looks from one sight to the next at most."""
MEMORY = 15
"""Steps whose median is the velocity; the boxes of two who meet jump for a frame or two."""
FADE = 0.85
"""By which the velocity of somebody who is not seen fades with every frame."""
ABSENT, RETURN = 0.2, 0.25
"""Added to the cost of a place, in longer sides: of one who was not seen last; where one was, not was heading."""


@dataclass
class Track:
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


def cost_of(track: Track, expected: Box, box: Box) -> float | None:
    """How badly `box` fits who is `expected`, in longer sides; None where it cannot be the same person."""
    before = side(track.box)
    if not 1 / RESIZE < side(box) / before < RESIZE:
        return None
    reach = REACH * (1 + GROWTH * track.missing)
    places = [(expected, ABSENT if track.missing or track.hidden else 0.0)]
    if track.missing or track.shared:
        places.append((track.box, RETURN))
    fits = [
        extra + away + 0.5 * (1 - overlap(place, box))
        for place, extra in places
        if (away := float(np.hypot(*(centre(box) - centre(place)))) / before) < reach
    ]
    return min(fits, default=None)


def crossed(one: Track, other: Track, box: Box, another: Box, gain: float) -> bool:
    """Whether two should have each other's boxes: where they fit better by `gain`, and when they part again.

    Then the sum of the squared distances to where they should be says so, and how far both have drifted cancels: who
    came from the left is now on the right.
    """
    if not (one.shared or one.hidden) or not (other.shared or other.hidden):
        return gain > 0
    apart = centre(one.expected) - centre(other.expected)
    return bool(apart @ (centre(box) - centre(another)) < 0)
