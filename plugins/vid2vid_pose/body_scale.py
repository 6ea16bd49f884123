"""Differences between two bodies and floors: limb ratios, foot lines, and the body height along them. Stateless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vid2vid_cli.conditioning import Statistics
from vid2vid_pose.body_statistics import BONES, MID_HIP, NECK, NOSE, TYPICAL_LIMB_LENGTHS, height_at
from vid2vid_pose.topology import NUM_BODY_POINTS

LIMB_RATIO_LIMITS = (0.5, 2.0)  # limits of target / source; beyond, one of the lengths was measured foreshortened
MAX_DEPTH_EXTRAPOLATION = 1.0  # extrapolation beyond the clip's far and near ends, in multiples of its depth span

FRAME_MARGIN = 0.25  # minimum distance in body heights of the mid-hip from the edge of the frame

PARENT_JOINTS = {child: parent for sides in BONES.values() for parent, child in sides}
LEG_CHAIN = (10, 11)  # end joints of thigh and shin
ANCHOR_CHAINS = {NECK: (NECK,), NOSE: (NECK, NOSE)}  # bones from the mid-hip to the anchors that replace it
BONE_NAMES = {child: name for name, sides in BONES.items() for _, child in sides}


def _order_joints() -> tuple[int, ...]:
    """All joints, each after its parent."""
    order = [MID_HIP]
    while len(order) < NUM_BODY_POINTS:
        order += [child for child in PARENT_JOINTS if PARENT_JOINTS[child] in order and child not in order]
    return tuple(order)


JOINT_ORDER = _order_joints()


@dataclass(frozen=True, kw_only=True)
class DepthScale:
    """One depth on both floors: y of the foot line and body height there, in pixels of the source and of the target."""

    source_y: float
    target_y: float
    source_height: float
    target_height: float

    @property
    def height_ratio(self) -> float:
        """Target height divided by source height."""
        return self.target_height / self.source_height


class BodyScale:
    """Comparison of the statistics of a source and a target.

    `limb_ratios`: target limb lengths divided by source limb lengths, each in heights of its own body. `leg_ratio`:
    the same for thigh and shin together. `thigh_share`: the thigh's share of the target's leg.
    """

    def __init__(self, source: Statistics, target: Statistics) -> None:
        source_limbs, target_limbs = source["limb_lengths"], target["limb_lengths"]
        self._source_limbs = source_limbs
        self.limb_ratios = {
            name: float(np.clip(target_limbs[name] / source_limbs[name], *LIMB_RATIO_LIMITS))
            for name in source_limbs
            if name in target_limbs
        }
        self._source_ground, self._target_ground = source["ground"], target["ground"]
        self.leg_ratio = self.chain_ratio(LEG_CHAIN)
        self.thigh_share = self._chain_length(LEG_CHAIN[:1]) / self._chain_length(LEG_CHAIN)
        self.depth_span = float(self._source_ground["near"]["y"] - self._source_ground["far"]["y"])
        self._slope, self._shift = self._fit_foot_line()
        self.source_x, self.target_x = float(source["hip_range"]["x"]), self._fit_target_x(source["hip_range"], target)

    def chain_ratio(self, joints: Sequence[int]) -> float:
        """Target / source length of the chain of bones that end in `joints`; 1 if none is known on both sides."""
        total = sum(self._chain_length((joint,)) / self.limb_ratios.get(BONE_NAMES[joint], 1.0) for joint in joints)
        return self._chain_length(joints) / total

    def scale_at(self, y: float) -> DepthScale:
        """The depth at which the source's foot line is y; y is clamped beyond the ends of the clip."""
        far, near = self._source_ground["far"]["y"], self._source_ground["near"]["y"]
        y = float(
            np.clip(
                y, far - MAX_DEPTH_EXTRAPOLATION * self.depth_span, near + MAX_DEPTH_EXTRAPOLATION * self.depth_span
            )
        )
        target_y = (
            self._target_ground["middle"]["y"] + self._slope * (y - self._source_ground["middle"]["y"]) + self._shift
        )
        return DepthScale(
            source_y=y,
            target_y=target_y,
            source_height=float(height_at(self._source_ground, y)),
            target_height=float(height_at(self._target_ground, target_y)),
        )

    @property
    def median_scale(self) -> DepthScale:
        """The source's median depth."""
        return self.scale_at(self._source_ground["middle"]["y"])

    def _chain_length(self, joints: Sequence[int]) -> float:
        """Length of a chain of bones on the target, in body heights."""
        names = [BONE_NAMES[joint] for joint in joints]
        return sum(
            float(self._source_limbs.get(name, TYPICAL_LIMB_LENGTHS[name])) * self.limb_ratios.get(name, 1.0)
            for name in names
        )

    def _fit_target_x(self, source_range: dict[str, float], target: Statistics) -> float:
        """Target x of the source's median x: the target's median, shifted if the motion would leave the frame."""
        median_scale, target_range = self.median_scale, target["hip_range"]
        left, right = (
            median_scale.height_ratio * self.leg_ratio * (source_range[end] - source_range["x"]) + target_range["x"]
            for end in ("left", "right")
        )
        margin = FRAME_MARGIN * median_scale.target_height
        min_shift = min(margin, target_range["left"]) - left
        max_shift = max(target["width"] - margin, target_range["right"]) - right
        return float(target_range["x"] + np.clip(0.0, min(min_shift, max_shift), max(min_shift, max_shift)))

    def _fit_foot_line(self) -> tuple[float, float]:
        """Slope and shift of the map from the source's foot line to the target's.

        Far maps to far and near to near, as in Everybody Dance Now. If the target's depth range is larger than the
        source's would be with the target's legs, the source's own range is kept, within the target's.
        """
        source_ground, target_ground = self._source_ground, self._target_ground
        natural_slope = target_ground["middle"]["height"] / source_ground["middle"]["height"] * self.leg_ratio
        target_span = target_ground["near"]["y"] - target_ground["far"]["y"]
        slope = min(natural_slope, target_span / self.depth_span) if self.depth_span > 0 else natural_slope
        end_ys = [
            target_ground["middle"]["y"] + slope * (source_ground[end]["y"] - source_ground["middle"]["y"])
            for end in ("far", "near")
        ]
        min_shift, max_shift = target_ground["far"]["y"] - end_ys[0], target_ground["near"]["y"] - end_ys[1]
        return slope, float(np.clip(0.0, min(min_shift, max_shift), max(min_shift, max_shift)))
