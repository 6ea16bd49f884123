"""Retargeting of a skeleton: the source's pose with the target's limb lengths, at the target's position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vid2vid_cli.conditioning import Annotation, FloatArray, Statistics
from vid2vid_pose.body_scale import ANCHOR_CHAINS, JOINT_ORDER, PARENT_JOINTS, BodyScale
from vid2vid_pose.body_statistics import MID_HIP, NECK, NOSE, Float64Array, fill_mid_hip
from vid2vid_pose.foot_contact import FootContact
from vid2vid_pose.topology import NUM_BODY_POINTS

HAND_WRISTS = {"left_hand": 7, "right_hand": 4}
"""The wrist joint of each hand."""


class BodyRetargeter:
    """Map from the points of the source's body to those of the target's, frame after frame; remembers standing feet.

    Without `limb_lengths` in the statistics of both sides, points are unchanged.
    """

    def __init__(self, source: Statistics, target: Statistics) -> None:
        has_limbs = bool(source.get("limb_lengths")) and bool(target.get("limb_lengths"))
        self._body_scale = BodyScale(source, target) if has_limbs else None
        self._foot_contact = FootContact(self._body_scale) if self._body_scale else None

    def __call__(self, points: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Map the points of the next frame to the target's pixels; shapes and confidences are unchanged.

        Every bone keeps its direction and foreshortening in the image. Its length is multiplied by the limb ratio and
        by the ratio of the body heights at the person's depth. Missing joints stay missing; their children are
        attached to the next inner joint. Equal statistics give equal points. Several people (25 rows each) are scaled
        and moved together, with their limb lengths unchanged.
        """
        if self._body_scale is None or self._foot_contact is None:
            return dict(points)
        bodies = points["body"][:, :2].astype(np.float64)
        if len(bodies) > NUM_BODY_POINTS:
            return self._retarget_group(self._body_scale, points)
        body = fill_mid_hip(bodies)
        present_joints = np.flatnonzero(np.isfinite(body).all(axis=1))
        if not len(present_joints):
            self._foot_contact.skip()
            return {name: _with_positions(rows, np.full((len(rows), 2), np.nan)) for name, rows in points.items()}
        anchor = next((joint for joint in (MID_HIP, NECK, NOSE) if joint in present_joints), int(present_joints[0]))
        scale = self._foot_contact.observe(body)
        relative_joints = self._scale_skeleton(self._body_scale, body, anchor, scale.height_ratio)
        placed_body = self._foot_contact.place(body, relative_joints, anchor, scale)
        result = {"body": _with_positions(points["body"], np.where(np.isfinite(bodies), placed_body, np.nan))}
        for name, part_points in points.items():
            if name != "body":
                result[name] = self._attach_part(
                    self._body_scale, name, part_points, body, placed_body, scale.height_ratio
                )
        return result

    def _scale_skeleton(self, body_scale: BodyScale, body: Float64Array, anchor: int, ratio: float) -> Float64Array:
        """Positions (25, 2) of the target's joints relative to the anchor."""
        relative_joints = np.full((NUM_BODY_POINTS, 2), np.nan)
        relative_joints[anchor] = 0
        for joint in JOINT_ORDER:
            if joint == anchor or not np.isfinite(body[joint]).all():
                continue
            inner_joint, chain = self._find_inner_joint(body, relative_joints, joint, anchor)
            relative_joints[joint] = relative_joints[inner_joint] + ratio * body_scale.chain_ratio(chain) * (
                body[joint] - body[inner_joint]
            )
        return relative_joints

    def _find_inner_joint(
        self, body: Float64Array, relative_joints: Float64Array, joint: int, anchor: int
    ) -> tuple[int, tuple[int, ...]]:
        """The next inner joint that is present, and the end joints of the bones in between."""
        chain = [joint]
        while (
            PARENT_JOINTS.get(chain[-1], anchor) != anchor
            and not np.isfinite(relative_joints[PARENT_JOINTS[chain[-1]]]).all()
        ):
            chain.append(PARENT_JOINTS[chain[-1]])
        inner_joint = PARENT_JOINTS.get(chain[-1], anchor)
        if chain[-1] == MID_HIP:  # the mid-hip is missing: continue to the anchor
            chain = [*chain[:-1], *ANCHOR_CHAINS.get(anchor, ())]
        return inner_joint, tuple(chain)

    def _attach_part(
        self,
        body_scale: BodyScale,
        name: str,
        part_points: FloatArray,
        body: Float64Array,
        placed_body: Float64Array,
        ratio: float,
    ) -> FloatArray:
        """Attach a hand or a face to its wrist or nose on the target."""
        points = part_points[:, :2].astype(np.float64)
        if not np.isfinite(points).any():
            return part_points.copy()
        if name in HAND_WRISTS:
            joint = HAND_WRISTS[name]
            size_ratio = body_scale.limb_ratios.get("hand", body_scale.chain_ratio((joint,)))  # else as the forearm
            part_centre = points[0] if np.isfinite(points[0]).all() else np.nanmean(points, axis=0)
        else:
            size_ratio, joint = body_scale.limb_ratios.get("face", body_scale.chain_ratio((15, 17))), NOSE
            part_centre = np.nanmean(points, axis=0)
        offset_ratio = size_ratio
        if not np.isfinite(placed_body[joint]).all():
            joint, chain = self._find_inner_joint(body, placed_body, joint, MID_HIP)
            offset_ratio = body_scale.chain_ratio(chain)
        if not np.isfinite(placed_body[joint]).all():
            return _with_positions(part_points, np.full_like(points, np.nan))
        position = placed_body[joint] + ratio * offset_ratio * (part_centre - body[joint])
        return _with_positions(part_points, position + ratio * size_ratio * (points - part_centre))

    def _retarget_group(self, body_scale: BodyScale, points: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Map all people with one similarity."""
        median_scale = body_scale.median_scale
        source_point = np.array([body_scale.source_x, median_scale.source_y])
        target_point = np.array([body_scale.target_x, median_scale.target_y])
        return {
            name: _with_positions(rows, target_point + median_scale.height_ratio * (rows[:, :2] - source_point))
            for name, rows in points.items()
        }


def detected_point_names(annotations: Sequence[Annotation]) -> list[str]:
    """Names of the point sets with a point on any frame."""
    names = dict.fromkeys(name for annotation in annotations for name in annotation.points)
    return [name for name in names if any(np.isfinite(item.points[name]).any() for item in annotations)]


def omit_unknown_parts(points: Mapping[str, FloatArray], target: Statistics) -> dict[str, FloatArray]:
    """The points, NaN for hands and face if no frame of the target has them."""
    limb_names = target.get("limb_lengths", {})
    known_names = target.get("point_names")
    if known_names is None:  # statistics of older versions
        known_names = [
            "body",
            *(HAND_WRISTS if "hand" in limb_names else ()),
            *(("face",) if "face" in limb_names else ()),
        ]
    return {name: rows if name in known_names else np.full_like(rows, np.nan) for name, rows in points.items()}


def _with_positions(points: FloatArray, positions: Float64Array) -> FloatArray:
    """A copy of the points with other positions."""
    moved_points = points.astype(np.float32, copy=True)
    moved_points[:, :2] = positions
    return moved_points
