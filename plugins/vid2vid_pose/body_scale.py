"""What changes from one body and floor to another: ratios of limbs, the foot line, the height along it. No memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vid2vid_cli.conditioning import Statistics
from vid2vid_pose.body_statistics import BONES, HIP, JOINTS, NECK, NOSE, USUAL, height_at

LIMITS = (0.5, 2.0)  # of the ratio of two limbs: beyond, one of them was never seen at its length
BEYOND = 1.0  # how far, in spans of the clip's depth, people may go beyond its far and near ends

ELBOW_ROOM = 0.25  # heights between the middle of the hips and the edge of the frame

PARENT = {child: parent for sides in BONES.values() for parent, child in sides}
LEG = (10, 11)  # the joints at the ends of thigh and shin
CHAINS = {NECK: (NECK,), NOSE: (NECK, NOSE)}  # from the middle of the hips to where a body is held without it
NAME = {child: name for name, sides in BONES.items() for _, child in sides}


def _outwards() -> tuple[int, ...]:
    """All joints, each after its parent."""
    order = [HIP]
    while len(order) < JOINTS:
        order += [child for child in PARENT if PARENT[child] in order and child not in order]
    return tuple(order)


ORDER = _outwards()


@dataclass(frozen=True)
class Scale:
    """One depth on both floors: where feet stand there, and how tall the bodies are, in pixels."""

    y: float
    to_y: float
    height: float
    to_height: float

    @property
    def ratio(self) -> float:
        """The target's height over the source's."""
        return self.to_height / self.height


class Proportion:
    """The source's and the target's statistics, compared.

    `ratios`: the target's limbs over the source's, each in heights of its own body. `leg`: that of thigh and shin
    together. `thigh`: the thigh's share of the target's leg.
    """

    def __init__(self, source: Statistics, target: Statistics) -> None:
        mine, theirs = source["limbs"], target["limbs"]
        self._lengths = mine
        self.ratios = {name: float(np.clip(theirs[name] / mine[name], *LIMITS)) for name in mine if name in theirs}
        self._from, self._to = source["ground"], target["ground"]
        self.leg = self.ratio(LEG)
        self.thigh = self._sum(LEG[:1]) / self._sum(LEG)
        self.span = float(self._from["near"]["y"] - self._from["far"]["y"])
        self._slope, self._shift = self._foot_line()
        self.x, self.to_x = float(source["place"]["x"]), self._place(source["place"], target)

    def ratio(self, joints: Sequence[int]) -> float:
        """The ratio of the chain of bones that end in these joints; 1 where none is known on both sides."""
        total = sum(self._sum((joint,)) / self.ratios.get(NAME[joint], 1.0) for joint in joints)
        return self._sum(joints) / total

    def at(self, y: float) -> Scale:
        """The depth where the source's foot line is y; far beyond the ends of the clip, the nearer end counts."""
        far, near = self._from["far"]["y"], self._from["near"]["y"]
        y = float(np.clip(y, far - BEYOND * self.span, near + BEYOND * self.span))
        to_y = self._to["middle"]["y"] + self._slope * (y - self._from["middle"]["y"]) + self._shift
        return Scale(y, to_y, float(height_at(self._from, y)), float(height_at(self._to, to_y)))

    @property
    def middle(self) -> Scale:
        """The source's usual depth."""
        return self.at(self._from["middle"]["y"])

    def _sum(self, joints: Sequence[int]) -> float:
        """How long a chain of bones is on the target, in heights."""
        names = [NAME[joint] for joint in joints]
        return sum(float(self._lengths.get(name, USUAL[name])) * self.ratios.get(name, 1.0) for name in names)

    def _place(self, mine: dict[str, float], target: Statistics) -> float:
        """Where the source's usual place comes to lie: at the target's, unless its way would leave the frame."""
        usual, theirs = self.middle, target["place"]
        left, right = (usual.ratio * self.leg * (mine[end] - mine["x"]) + theirs["x"] for end in ("left", "right"))
        edge = ELBOW_ROOM * usual.to_height
        least = min(edge, theirs["left"]) - left
        most = max(target["width"] - edge, theirs["right"]) - right
        return float(theirs["x"] + np.clip(0.0, min(least, most), max(least, most)))

    def _foot_line(self) -> tuple[float, float]:
        """Slope and shift of the map of foot lines.

        Far goes to far and near to near, as in Everybody Dance Now; but where the target has gone farther to and fro
        than the source would on its legs, the source's own way is kept, inside the target's.
        """
        mine, theirs = self._from, self._to
        usual = theirs["middle"]["height"] / mine["middle"]["height"] * self.leg
        span = theirs["near"]["y"] - theirs["far"]["y"]
        slope = min(usual, span / self.span) if self.span > 0 else usual
        ends = [theirs["middle"]["y"] + slope * (mine[end]["y"] - mine["middle"]["y"]) for end in ("far", "near")]
        least, most = theirs["far"]["y"] - ends[0], theirs["near"]["y"] - ends[1]
        return slope, float(np.clip(0.0, min(least, most), max(least, most)))
