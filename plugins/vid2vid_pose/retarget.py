"""A source's skeleton with the target's limbs, in the target's place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vid2vid_cli.conditioning import Floats, Statistics
from vid2vid_pose.body_scale import CHAINS, ORDER, PARENT, Proportion
from vid2vid_pose.body_statistics import HIP, JOINTS, NECK, NOSE, Array, complete
from vid2vid_pose.foot_contact import Footing

HANDS = {"left_hand": 7, "right_hand": 4}
"""The wrists that the hands hang on."""


class BodyRetarget:
    """A map from the points of one body to another's, frame after frame, with a memory of where the feet stand.

    Without the measures of both sides (`limbs` of the statistics) points pass unchanged.
    """

    def __init__(self, source: Statistics, target: Statistics) -> None:
        known = bool(source.get("limbs")) and bool(target.get("limbs"))
        self._change = Proportion(source, target) if known else None
        self._footing = Footing(self._change) if self._change else None

    def __call__(self, points: Mapping[str, Floats]) -> dict[str, Floats]:
        """The points of the next frame in the source's pixels -> in the target's; shapes and confidences stay.

        Every bone keeps its direction and its foreshortening in the picture; its length is multiplied by the ratio of
        the limbs and by that of the heights where the person stands. What is missing stays missing, and what hangs on
        it hangs on the next joint inwards. Equal statistics give equal points. Several people (25 rows each) are
        moved and scaled together, their limbs left as they are.
        """
        if self._change is None or self._footing is None:
            return dict(points)
        bodies = points["body"][:, :2].astype(np.float64)
        if len(bodies) > JOINTS:
            return self._together(self._change, points)
        body = complete(bodies)
        present = np.flatnonzero(np.isfinite(body).all(axis=1))
        if not len(present):
            self._footing.miss()
            return {name: _with(part, np.full((len(part), 2), np.nan)) for name, part in points.items()}
        anchor = next((joint for joint in (HIP, NECK, NOSE) if joint in present), int(present[0]))
        scale = self._footing.look(body)
        shape = self._shape(self._change, body, anchor, scale.ratio)
        placed = self._footing.stand(body, shape, anchor, scale)
        result = {"body": _with(points["body"], np.where(np.isfinite(bodies), placed, np.nan))}
        for name, part in points.items():
            if name != "body":
                result[name] = self._hung(self._change, name, part, body, placed, scale.ratio)
        return result

    def _shape(self, change: Proportion, body: Array, anchor: int, ratio: float) -> Array:
        """The target's joints (25, 2) relative to the anchor's."""
        shape = np.full((JOINTS, 2), np.nan)
        shape[anchor] = 0
        for joint in ORDER:
            if joint == anchor or not np.isfinite(body[joint]).all():
                continue
            inner, way = self._inwards(body, shape, joint, anchor)
            shape[joint] = shape[inner] + ratio * change.ratio(way) * (body[joint] - body[inner])
        return shape

    def _inwards(self, body: Array, shape: Array, joint: int, anchor: int) -> tuple[int, tuple[int, ...]]:
        """The next joint inwards that is there, and the ends of the bones between."""
        way = [joint]
        while PARENT.get(way[-1], anchor) != anchor and not np.isfinite(shape[PARENT[way[-1]]]).all():
            way.append(PARENT[way[-1]])
        inner = PARENT.get(way[-1], anchor)
        if way[-1] == HIP:  # past the middle of the hips, which is not there, up to the anchor
            way = [*way[:-1], *CHAINS.get(anchor, ())]
        return inner, tuple(way)

    def _hung(self, change: Proportion, name: str, part: Floats, body: Array, placed: Array, ratio: float) -> Floats:
        """A hand or a face of the target, hung on its wrist or its nose."""
        points = part[:, :2].astype(np.float64)
        if not np.isfinite(points).any():
            return part.copy()
        if name in HANDS:
            size, joint = change.ratios.get("hand", 1.0), HANDS[name]
            middle = points[0] if np.isfinite(points[0]).all() else np.nanmean(points, axis=0)
        else:
            size, joint = change.ratios.get("face", change.ratio((15, 17))), NOSE
            middle = np.nanmean(points, axis=0)
        step = size
        if not np.isfinite(placed[joint]).all():
            joint, way = self._inwards(body, placed, joint, HIP)
            step = change.ratio(way)
        if not np.isfinite(placed[joint]).all():
            return _with(part, np.full_like(points, np.nan))
        place = placed[joint] + ratio * step * (middle - body[joint])
        return _with(part, place + ratio * size * (points - middle))

    def _together(self, change: Proportion, points: Mapping[str, Floats]) -> dict[str, Floats]:
        """One similarity for everybody."""
        usual = change.middle
        old, new = np.array([change.x, usual.y]), np.array([change.to_x, usual.to_y])
        return {name: _with(part, new + usual.ratio * (part[:, :2] - old)) for name, part in points.items()}


def _with(points: Floats, places: Array) -> Floats:
    """The same points elsewhere."""
    moved = points.astype(np.float32, copy=True)
    moved[:, :2] = places
    return moved
