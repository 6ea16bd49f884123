"""Where the retargeted person stands: feet stay put while the source's do, and the body rides on them.

For a leg with its ankle at p, the floor's map puts it at

    x' = X' + s l (x - X),   y' = Y'(d) + s (low - d) + s l (y - low)

with s the ratio of the heights at the depth d, l that of the legs, X and X' the median places, `low` the y of the
lower foot: so that a jump, low < d, keeps its height in heights of the body, and a step its length in lengths of the
leg; with low > d somebody has come nearer, and it is Y'(low). Where d, and so s, changes under a standing foot, the
foot keeps its place, and what it has come to differ from the map is taken up while it is in the air.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vid2vid_pose.body_scale import CHAINS, LEG, Proportion, Scale
from vid2vid_pose.body_statistics import Array

# A leg: knee, ankle, big toe, heel.
LEGS = {"right": (10, 11, 22, 24), "left": (13, 14, 19, 21)}
# Speeds in heights per frame: below the first a foot stands, above the second it is in the air.
STANDING, FLYING = 0.006, 0.025
REACH = 0.15  # way in heights over which a flying foot finds back to the map
LOWER = 0.15  # how much lower than the other, in heights, a foot must be to carry e times as much of the body
SHIFT = 0.2  # share per frame by which the weight goes over to where it should be
STRETCH = 0.2  # of a leg's length: more than this it is not stretched or shortened to reach its foot
GAP = 8  # frames after which what was known is forgotten
LEAP = 0.2  # heights per frame that nobody's joints move in the median: another shot, another person
GROWTH = 1.4  # the same for how much larger or smaller somebody gets
SETTLE = 0.85  # what is left per frame of a shift of the body after a foot came into view or went


@dataclass
class _Foot:
    """A foot as it was last seen: its points (3, 2) on the source and on the target, and how far off the map."""

    before: Array
    placed: Array
    off: Array
    age: int = 0


@dataclass
class Footing:
    """The memory of one person; call `look`, then `stand`, once per frame, or `miss`."""

    change: Proportion
    _depth: float | None = None
    _feet: dict[str, _Foot] = field(default_factory=dict)
    _before: Array | None = None
    _gap: int = 0
    _weights: dict[str, float] = field(default_factory=dict)
    _off: Array | None = None
    _seen: tuple[int | str, ...] = ()
    _settle: Array = field(default_factory=lambda: np.zeros(2))

    def forget(self) -> None:
        """Begin anew."""
        self._depth, self._before, self._off = None, None, None
        self._feet, self._weights, self._seen, self._gap, self._settle = {}, {}, (), 0, np.zeros(2)

    def miss(self) -> None:
        """A frame without the person."""
        self._gap += 1
        if self._gap > GAP:
            self.forget()

    def look(self, body: Array) -> Scale:
        """How deep in the scene the source stands on this frame, given its joints (25, 2)."""
        height = self._at().height
        if self._before is not None and self._leapt(self._before, body, height):
            self.forget()
        for foot in self._feet.values():
            foot.age += 1
        self._feet = {side: foot for side, foot in self._feet.items() if foot.age <= GAP}
        self._before, self._gap = body.copy(), 0
        low = max((body[leg[1], 1] for leg in LEGS.values() if np.isfinite(body[leg[1]]).all()), default=None)
        if low is not None and self.change.span > 0:
            self._follow(body, float(low), height)
        return self._at()

    def _leapt(self, before: Array, body: Array, height: float) -> bool:
        """Whether this can hardly be the person of the last frame."""
        both = np.isfinite(before + body).all(axis=1)
        if both.sum() < 3:
            return False
        old, new = before[both], body[both]
        way = float(np.median(np.linalg.norm(new - old, axis=1))) / height
        growth = np.linalg.norm(new - new.mean(axis=0)) / max(float(np.linalg.norm(old - old.mean(axis=0))), 1e-6)
        return way > LEAP * (1 + self._gap) or not 1 / GROWTH < growth < GROWTH

    def _at(self) -> Scale:
        return self.change.middle if self._depth is None else self.change.at(self._depth)

    def _follow(self, body: Array, low: float, height: float) -> None:
        """The depth goes along with standing feet; a foot in the air says little, unless it is below the floor."""
        if self._depth is None:
            self._depth = self.change.at(low).y
            return
        stands = max((self._stands(body, side, height) for side in self._feet), default=0.0)
        rate = 0.3 if low > self._depth else 0.01 + 0.2 * stands
        self._depth = self.change.at(self._depth + rate * (low - self._depth)).y

    def _moved(self, body: Array, side: str) -> tuple[Array, float, int]:
        """How the points of a foot moved since it was seen; way and number of the slowest."""
        foot = self._feet[side]
        moved = body[list(LEGS[side][1:])] - foot.before
        speeds = np.linalg.norm(moved, axis=1)
        if not np.isfinite(speeds).any():
            return moved, np.inf, 0
        slowest = int(np.nanargmin(speeds))
        return moved, float(speeds[slowest]), slowest

    def _stands(self, body: Array, side: str, height: float) -> float:
        """1: it stands, 0: it is in the air."""
        speed = self._moved(body, side)[1] / height
        return float(np.clip((FLYING - speed) / (FLYING - STANDING), 0, 1))

    def stand(self, body: Array, shape: Array, anchor: int, scale: Scale) -> Array:
        """The target's joints (25, 2), from their places `shape` relative to the anchor."""
        legs = {side: leg for side, leg in LEGS.items() if np.isfinite(body[leg[1]]).all()}
        base = self._base(body[anchor], anchor, scale)
        low = max((body[leg[1], 1] for leg in legs.values()), default=np.nan)
        aims = {side: self._aim(body, shape, side, scale, low) for side in legs}
        places = {side: aims[side] - shape[leg[1]] for side, leg in legs.items()}
        weights = {side: self._weight(side, (low - body[leg[1], 1]) / scale.height) for side, leg in legs.items()}
        result: Array = shape + self._place(base, anchor, places, weights)
        for side, (knee, ankle, toe, heel) in legs.items():
            off = self._stretch(aims[side] - result[ankle], scale)
            result[knee] += self.change.thigh * off
            result[[ankle, toe, toe + 1, heel]] += off  # the small toe follows the big one
            points = list(LEGS[side][1:])
            floor = self._floor(body[ankle], scale, low)
            self._feet[side] = _Foot(body[points].copy(), result[points].copy(), aims[side] - floor)
        return result

    def _floor(self, point: Array, scale: Scale, low: float) -> Array:
        """The map of the floor, see above."""
        step = scale.ratio * self.change.leg
        x = self.change.to_x + step * (point[0] - self.change.x)
        # What is above the floor is in the air; what is below it has come nearer.
        floor = self.change.at(low) if low > scale.y else scale
        return np.array([x, floor.to_y + scale.ratio * (low - floor.y) + step * (point[1] - low)])

    def _base(self, point: Array, anchor: int, scale: Scale) -> Array:
        """Where the hip, the neck or the nose is over the floor when no foot can be seen."""
        chain = (*LEG, *CHAINS.get(anchor, ()))
        x = self.change.to_x + scale.ratio * self.change.leg * (point[0] - self.change.x)
        return np.array([x, scale.to_y + scale.ratio * self.change.ratio(chain) * (point[1] - scale.y)])

    def _aim(self, body: Array, shape: Array, side: str, scale: Scale, low: float) -> Array:
        """Where an ankle should be: where it stood, if it stands; otherwise on its way to the floor's map."""
        ankle = LEGS[side][1]
        floor = self._floor(body[ankle], scale, low)
        foot = self._feet.get(side)
        if foot is None:
            return floor
        moved, speed, slowest = self._moved(body, side)
        speed /= scale.height
        loose = floor + foot.off * (1 - min(1.0, speed / REACH))
        stands = self._stands(body, side, scale.height)
        if stands == 0:
            return loose
        # No farther, in heights, than the source's foot slides.
        point = foot.placed[slowest] + scale.ratio * min(1.0, self.change.leg) * moved[slowest]
        held = point - (shape[LEGS[side][1 + slowest]] - shape[ankle])
        result: Array = stands * held + (1 - stands) * loose
        return result

    def _place(self, base: Array, anchor: int, places: dict[str, Array], weights: dict[str, float]) -> Array:
        """The anchor's place: where the legs carry it, each with its weight; eased where one comes or goes."""
        off = np.zeros(2)
        if places:
            off = sum((weights[side] * places[side] for side in places), off) / sum(weights.values()) - base
        seen: tuple[int | str, ...] = (anchor, *places)
        if self._off is not None and seen != self._seen:
            self._settle = self._off - off if seen[0] == self._seen[0] else np.zeros(2)
        self._seen, self._off = seen, off + self._settle
        self._settle = SETTLE * self._settle
        return base + self._off

    def _weight(self, side: str, above: float) -> float:
        """How much a leg carries the body: the lower one more, and never suddenly; `above` the lower, in heights."""
        aim = float(np.exp(-above / LOWER))
        before = self._weights.get(side, aim)
        self._weights[side] = before + SHIFT * (aim - before)
        return self._weights[side]

    def _stretch(self, off: Array, scale: Scale) -> Array:
        """No leg is stretched beyond belief: larger shifts grow ever slower, to twice the limit."""
        limit = STRETCH * 0.5 * scale.to_height
        size = float(np.linalg.norm(off))
        if size <= limit:
            return off
        result: Array = off * (limit * (2 - np.exp(1 - size / limit)) / size)
        return result
