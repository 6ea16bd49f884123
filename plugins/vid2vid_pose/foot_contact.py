"""Position of the retargeted person: feet stay in place while the source's feet do, and the body follows the legs.

For a leg with its ankle at (x, y), the floor map gives the target position

    x' = X' + s l (x - X),   y' = Y'(d) + s (low - d) + s l (y - low)

where s is the ratio of the body heights at the depth d, l the ratio of the leg lengths, X and X' the median positions
and `low` the y of the lower foot. So a jump (low < d) keeps its height in body heights, and a step keeps its length in
leg lengths. If low > d, the person has come nearer and Y'(low) replaces the first two terms. When d, and so s, changes
under a standing foot, the foot keeps its position; its offset from the floor map decays while it is in the air.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vid2vid_pose.body_scale import ANCHOR_CHAINS, LEG_CHAIN, BodyScale, DepthScale
from vid2vid_pose.body_statistics import Float64Array

# Joints of each leg: knee, ankle, big toe, heel.
LEG_JOINTS = {"right": (10, 11, 22, 24), "left": (13, 14, 19, 21)}
# Speeds in body heights per frame: a foot below the first stands, a foot above the second is in the air.
MAX_STANDING_SPEED, MIN_FLYING_SPEED = 0.006, 0.025
RETURN_DISTANCE = 0.15  # motion in body heights over which the map offset of a foot in the air decays
WEIGHT_HEIGHT_SCALE = 0.15  # height difference of the feet, in body heights, that changes the weight by a factor e
WEIGHT_SHIFT_RATE = 0.2  # share per frame by which a leg's weight approaches its target
MAX_LEG_STRETCH = 0.2  # soft limit of stretching or shortening a leg, as a share of its length
MAX_MISSING_FRAMES = 8  # frames after which the state of a missing foot or person is discarded
MAX_SPEED = 0.2  # median joint speed in body heights per frame; faster motion is a cut or another person
MAX_SIZE_RATIO = 1.4  # change of size per frame; a larger one is a cut or another person
OFFSET_DECAY = 0.85  # factor per frame on the offset of the body after a foot appears or disappears


@dataclass
class _FootState:
    """State of a foot at its last detection: points (3, 2) on source and target, and its offset from the floor map."""

    source_points: Float64Array
    target_points: Float64Array
    map_offset: Float64Array
    age: int = 0


@dataclass
class FootContact:
    """State of one person. Call `observe`, then `place`, for each frame, or `skip` for a frame without the person."""

    body_scale: BodyScale
    _depth_y: float | None = None
    _feet: dict[str, _FootState] = field(default_factory=dict)
    _previous_body: Float64Array | None = None
    _missing_frames: int = 0
    _leg_weights: dict[str, float] = field(default_factory=dict)
    _anchor_offset: Float64Array | None = None
    _previous_supports: tuple[int | str, ...] = ()
    _decaying_offset: Float64Array = field(default_factory=lambda: np.zeros(2))

    def reset(self) -> None:
        """Discard the state."""
        self._depth_y, self._previous_body, self._anchor_offset = None, None, None
        self._feet, self._leg_weights, self._previous_supports = {}, {}, ()
        self._missing_frames, self._decaying_offset = 0, np.zeros(2)

    def skip(self) -> None:
        """Advance by a frame without the person."""
        self._missing_frames += 1
        if self._missing_frames > MAX_MISSING_FRAMES:
            self.reset()

    def observe(self, body: Float64Array) -> DepthScale:
        """Process the source's joints (25, 2) on the next frame; returns the depth at which it stands."""
        height = self._current_scale().source_height
        if self._previous_body is not None and self._is_different_person(self._previous_body, body, height):
            self.reset()
        for foot in self._feet.values():
            foot.age += 1
        self._feet = {side: foot for side, foot in self._feet.items() if foot.age <= MAX_MISSING_FRAMES}
        self._previous_body, self._missing_frames = body.copy(), 0
        lowest_foot_y = max(
            (body[leg[1], 1] for leg in LEG_JOINTS.values() if np.isfinite(body[leg[1]]).all()), default=None
        )
        if lowest_foot_y is not None and self.body_scale.depth_span > 0:
            self._update_depth(body, float(lowest_foot_y), height)
        return self._current_scale()

    def _is_different_person(self, previous_body: Float64Array, body: Float64Array, height: float) -> bool:
        """True if the joints moved too far or changed size too much since the previous frame."""
        is_common = np.isfinite(previous_body + body).all(axis=1)
        if is_common.sum() < 3:
            return False
        old_joints, new_joints = previous_body[is_common], body[is_common]
        median_speed = float(np.median(np.linalg.norm(new_joints - old_joints, axis=1))) / height
        size_ratio = np.linalg.norm(new_joints - new_joints.mean(axis=0)) / max(
            float(np.linalg.norm(old_joints - old_joints.mean(axis=0))), 1e-6
        )
        return (
            median_speed > MAX_SPEED * (1 + self._missing_frames)
            or not 1 / MAX_SIZE_RATIO < size_ratio < MAX_SIZE_RATIO
        )

    def _current_scale(self) -> DepthScale:
        return self.body_scale.median_scale if self._depth_y is None else self.body_scale.scale_at(self._depth_y)

    def _update_depth(self, body: Float64Array, lowest_foot_y: float, height: float) -> None:
        """The depth follows standing feet. Feet in the air have little effect, unless they are below the floor."""
        if self._depth_y is None:
            self._depth_y = self.body_scale.scale_at(lowest_foot_y).source_y
            return
        standing_weight = max((self._standing_weight(body, side, height) for side in self._feet), default=0.0)
        rate = 0.3 if lowest_foot_y > self._depth_y else 0.01 + 0.2 * standing_weight
        self._depth_y = self.body_scale.scale_at(self._depth_y + rate * (lowest_foot_y - self._depth_y)).source_y

    def _foot_motion(self, body: Float64Array, side: str) -> tuple[Float64Array, float, int]:
        """Motion (3, 2) of the points of a foot since its last detection, with speed and index of the slowest point."""
        foot = self._feet[side]
        motion = body[list(LEG_JOINTS[side][1:])] - foot.source_points
        speeds = np.linalg.norm(motion, axis=1)
        if not np.isfinite(speeds).any():
            return motion, np.inf, 0
        slowest_index = int(np.nanargmin(speeds))
        return motion, float(speeds[slowest_index]), slowest_index

    def _standing_weight(self, body: Float64Array, side: str, height: float) -> float:
        """1 if the foot stands, 0 if it is in the air."""
        speed = self._foot_motion(body, side)[1] / height
        return float(np.clip((MIN_FLYING_SPEED - speed) / (MIN_FLYING_SPEED - MAX_STANDING_SPEED), 0, 1))

    def place(self, body: Float64Array, relative_joints: Float64Array, anchor: int, scale: DepthScale) -> Float64Array:
        """Positions (25, 2) of the target's joints, given their positions relative to the anchor."""
        legs = {side: leg for side, leg in LEG_JOINTS.items() if np.isfinite(body[leg[1]]).all()}
        anchor_base = self._anchor_base(body[anchor], anchor, scale)
        lowest_foot_y = max((body[leg[1], 1] for leg in legs.values()), default=np.nan)
        ankle_targets = {side: self._ankle_target(body, relative_joints, side, scale, lowest_foot_y) for side in legs}
        anchor_candidates = {side: ankle_targets[side] - relative_joints[leg[1]] for side, leg in legs.items()}
        leg_weights = {
            side: self._update_leg_weight(side, (lowest_foot_y - body[leg[1], 1]) / scale.source_height)
            for side, leg in legs.items()
        }
        result: Float64Array = relative_joints + self._anchor_position(
            anchor_base, anchor, anchor_candidates, leg_weights
        )
        for side, (knee, ankle, toe, heel) in legs.items():
            offset = self._limit_stretch(ankle_targets[side] - result[ankle], scale)
            result[knee] += self.body_scale.thigh_share * offset
            result[[ankle, toe, toe + 1, heel]] += offset  # the small toe (toe + 1) moves with the big toe
            indices = list(LEG_JOINTS[side][1:])
            floor_point = self._map_to_floor(body[ankle], scale, lowest_foot_y)
            self._feet[side] = _FootState(
                body[indices].copy(), result[indices].copy(), ankle_targets[side] - floor_point
            )
        return result

    def _map_to_floor(self, point: Float64Array, scale: DepthScale, lowest_foot_y: float) -> Float64Array:
        """The floor map of the module docstring."""
        leg_scale = scale.height_ratio * self.body_scale.leg_ratio
        x = self.body_scale.target_x + leg_scale * (point[0] - self.body_scale.source_x)
        # A foot above the foot line is in the air; a foot below it has come nearer.
        floor_scale = self.body_scale.scale_at(lowest_foot_y) if lowest_foot_y > scale.source_y else scale
        return np.array(
            [
                x,
                floor_scale.target_y
                + scale.height_ratio * (lowest_foot_y - floor_scale.source_y)
                + leg_scale * (point[1] - lowest_foot_y),
            ]
        )

    def _anchor_base(self, point: Float64Array, anchor: int, scale: DepthScale) -> Float64Array:
        """Position of the anchor (hip, neck or nose) above the floor, used while no foot is visible."""
        chain = (*LEG_CHAIN, *ANCHOR_CHAINS.get(anchor, ()))
        x = self.body_scale.target_x + scale.height_ratio * self.body_scale.leg_ratio * (
            point[0] - self.body_scale.source_x
        )
        return np.array(
            [x, scale.target_y + scale.height_ratio * self.body_scale.chain_ratio(chain) * (point[1] - scale.source_y)]
        )

    def _ankle_target(
        self, body: Float64Array, relative_joints: Float64Array, side: str, scale: DepthScale, lowest_foot_y: float
    ) -> Float64Array:
        """Target position of an ankle: unchanged while it stands, approaching the floor map while it is in the air."""
        ankle = LEG_JOINTS[side][1]
        floor_point = self._map_to_floor(body[ankle], scale, lowest_foot_y)
        foot = self._feet.get(side)
        if foot is None:
            return floor_point
        motion, speed, slowest_index = self._foot_motion(body, side)
        speed /= scale.source_height
        flying_target = floor_point + foot.map_offset * (1 - min(1.0, speed / RETURN_DISTANCE))
        standing_weight = self._standing_weight(body, side, scale.source_height)
        if standing_weight == 0:
            return flying_target
        # A sliding foot moves no farther, in body heights, than the source's.
        target_point = (
            foot.target_points[slowest_index]
            + scale.height_ratio * min(1.0, self.body_scale.leg_ratio) * motion[slowest_index]
        )
        standing_target = target_point - (relative_joints[LEG_JOINTS[side][1 + slowest_index]] - relative_joints[ankle])
        result: Float64Array = standing_weight * standing_target + (1 - standing_weight) * flying_target
        return result

    def _anchor_position(
        self,
        anchor_base: Float64Array,
        anchor: int,
        anchor_candidates: dict[str, Float64Array],
        leg_weights: dict[str, float],
    ) -> Float64Array:
        """Weighted mean of the anchor positions implied by the legs; eased when a leg appears or disappears."""
        offset = np.zeros(2)
        if anchor_candidates:
            offset = (
                sum((leg_weights[side] * anchor_candidates[side] for side in anchor_candidates), offset)
                / sum(leg_weights.values())
                - anchor_base
            )
        supports: tuple[int | str, ...] = (anchor, *anchor_candidates)
        if self._anchor_offset is not None and supports != self._previous_supports:
            self._decaying_offset = (
                self._anchor_offset - offset if supports[0] == self._previous_supports[0] else np.zeros(2)
            )
        self._previous_supports, self._anchor_offset = supports, offset + self._decaying_offset
        self._decaying_offset = OFFSET_DECAY * self._decaying_offset
        return anchor_base + self._anchor_offset

    def _update_leg_weight(self, side: str, height_above_lowest: float) -> float:
        """Weight of a leg, larger for the lower foot, smoothed over time; height difference in body heights."""
        target_weight = float(np.exp(-height_above_lowest / WEIGHT_HEIGHT_SCALE))
        previous_weight = self._leg_weights.get(side, target_weight)
        self._leg_weights[side] = previous_weight + WEIGHT_SHIFT_RATE * (target_weight - previous_weight)
        return self._leg_weights[side]

    def _limit_stretch(self, offset: Float64Array, scale: DepthScale) -> Float64Array:
        """Limit the offset of an ankle softly: it saturates at twice the limit."""
        limit = MAX_LEG_STRETCH * 0.5 * scale.target_height
        length = float(np.linalg.norm(offset))
        if length <= limit:
            return offset
        result: Float64Array = offset * (limit * (2 - np.exp(1 - length / limit)) / length)
        return result
