"""Recovery of body joints from a skeleton that is drawn in OpenPose's colours on black.

Each limb has its own hue. The pixels of a limb give a line with two ends; an end belongs to the joint at which other
limbs end too. A joint is the median of these ends, or the centre of its dot if the format draws dots. Fingers and the
feet of BODY_25, which have the colour of the lower leg, are not recovered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, UInt8Array
from vid2vid_pose.limb_lines import MIN_LIMB_PIXELS, Ends, Mask, first_branch, limb_pieces, line_ends
from vid2vid_pose.topology import (
    BODY_25_LIMBS,
    COCO_18_COLOURS,
    COCO_18_JOINTS,
    COCO_18_LIMBS,
    HEAD_JOINTS,
    NUM_BODY_POINTS,
    Colour,
    missing_points,
)

Edge = tuple[int, int]
"""The two joints of a limb, as indices of BODY_25."""

NUM_HUES = 18
"""The palette has hues in steps of 20 degrees."""
NO_HUE = 255
MID_HIP, HIPS = 8, (9, 12)
MIN_LIMB_VALUE, MIN_DOT_VALUE = 95, 195
"""Minimum of the brightest channel: limbs are drawn at 0.6 of the full value, dots at the full value."""
MIN_SECOND_LIMBS = 3
"""Number of second limbs that shows several people."""
MAX_END_DISTANCE = 0.06
"""Largest distance of the ends at one joint, as a share of the size of the skeleton."""
MIN_JOINED_ENDS = 6
"""Minimum number of limb ends that meet others; a drawing with fewer contains no skeleton of this format."""
DOT_SEARCH_SHARE = 0.04
"""Largest distance of a dot from the ends at its joint, as a share of the size of the skeleton."""
FACE_VALUE = 200
"""Minimum of all channels of the points and lines of a face, which are white and cover the nose."""


def hue_of(colour: Colour) -> int:
    """The index of a colour's hue in the palette, 0 to 17."""
    return int(_hue_indices(np.array([[colour]], dtype=np.uint8))[0, 0])


@dataclass(frozen=True)
class SkeletonFormat:
    """The colours of a kind of drawing."""

    name: str
    limbs: Mapping[int, Edge]
    """Hue -> the limb."""
    dots: Mapping[int, int] = field(default_factory=dict)
    """Joint -> hue of its dot."""
    branching: Mapping[int, tuple[Edge, Edge]] = field(default_factory=dict)
    """Hue that a lower leg shares with the foot -> the limb above it, and the lower leg."""


@dataclass(frozen=True)
class RecoveredSkeleton:
    """The body in a drawing."""

    body: FloatArray
    """BODY_25, (25, 3); NaN where a joint was not found."""
    num_joined: int
    """Number of limb ends that meet the end of another limb."""
    has_several_people: bool = False


def recover_skeleton(image: UInt8Array, skeleton_format: SkeletonFormat) -> RecoveredSkeleton:
    """Recover the joints of the person in a drawing (h, w, 3)."""
    value = image.max(axis=2)
    is_drawn = value >= MIN_LIMB_VALUE
    rows, columns = np.flatnonzero(is_drawn.any(axis=1)), np.flatnonzero(is_drawn.any(axis=0))
    if not len(rows):
        return RecoveredSkeleton(missing_points(NUM_BODY_POINTS), 0)
    top, left = int(rows[0]), int(columns[0])
    skeleton = _recover_cropped(image[top : rows[-1] + 1, left : columns[-1] + 1], skeleton_format)
    skeleton.body[:, :2] += (left, top)
    return skeleton


def _recover_cropped(image: UInt8Array, skeleton_format: SkeletonFormat) -> RecoveredSkeleton:
    hues, is_bright = _hue_map(image)
    limbs: dict[Edge, Ends] = {}
    num_second_limbs = 0
    for hue, edge in skeleton_format.limbs.items():
        pieces, is_double = limb_pieces(_limb_mask(hues, is_bright, hue))
        num_second_limbs += is_double and not set(edge) & set(HEAD_JOINTS)
        if pieces is not None:
            limbs[edge] = line_ends(pieces, has_round_ends=not skeleton_format.dots)
    for hue, (upper_edge, edge) in skeleton_format.branching.items():
        if upper_edge in limbs:
            ends = first_branch(_limb_mask(hues, is_bright, hue), limbs[upper_edge])
            limbs.update({} if ends is None else {edge: ends})
    if num_second_limbs >= MIN_SECOND_LIMBS:
        return RecoveredSkeleton(missing_points(NUM_BODY_POINTS), 0, has_several_people=True)
    body, num_joined = _join_limbs(limbs)
    if num_joined < MIN_JOINED_ENDS:
        return RecoveredSkeleton(missing_points(NUM_BODY_POINTS), num_joined)
    _move_nose_into_face(body, image)
    _move_to_dots(body, np.where(is_bright, hues, NO_HUE), skeleton_format)
    if np.isnan(body[MID_HIP, 0]):  # the COCO model has no such joint
        body[MID_HIP] = body[list(HIPS)].mean(axis=0)
    return RecoveredSkeleton(body, num_joined)


def _hue_map(image: UInt8Array) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """The palette's index of each pixel, NO_HUE for black and grey, and whether it has the brightness of a dot."""
    value = image.max(axis=2)
    is_coloured = (value >= MIN_LIMB_VALUE) & (image.min(axis=2) < 0.4 * value)
    hues = np.full(value.shape, NO_HUE, dtype=np.uint8)
    if is_coloured.any():
        hues[is_coloured] = _hue_indices(image[is_coloured][None])[0]
    return hues, value >= MIN_DOT_VALUE


def _limb_mask(hues: UInt8Array, is_bright: NDArray[np.bool_], hue: int) -> Mask:
    """The pixels of a limb; the blurred borders of dots and fingers of the same hue are left out."""
    has_hue = hues == hue
    is_dot = has_hue & is_bright
    if not is_dot.any():
        return np.asarray(has_hue, dtype=np.uint8)
    borders = cv2.dilate(is_dot.astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(has_hue & (borders == 0), dtype=np.uint8)


def _hue_indices(image: UInt8Array) -> UInt8Array:
    hue = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)[..., 0]
    indices: UInt8Array = (np.rint(hue * (NUM_HUES / 360)) % NUM_HUES).astype(np.uint8)
    return indices


def _join_limbs(limbs: Mapping[Edge, Ends]) -> tuple[FloatArray, int]:
    """Body (25, 3) of the limbs, and the number of ends that meet others. Limbs that meet no other are left out."""
    body, num_joined = missing_points(NUM_BODY_POINTS), 0
    if not limbs:
        return body, num_joined
    all_ends = np.array(list(limbs.values())).reshape(-1, 2)
    tolerance = MAX_END_DISTANCE * float(np.linalg.norm(np.ptp(all_ends, axis=0)))
    joined_ends: dict[int, list[FloatArray]] = {}
    free_ends: dict[int, list[FloatArray]] = {}
    for edge, (first, last) in limbs.items():
        distances = {
            is_reversed: [
                _end_distances(limbs, edge, joint, end)
                for joint, end in zip(edge, (last, first) if is_reversed else (first, last), strict=True)
            ]
            for is_reversed in (False, True)
        }
        is_reversed = sum(map(sum, distances[True])) < sum(map(sum, distances[False]))
        is_joined = [min(values, default=np.inf) <= tolerance for values in distances[is_reversed]]
        num_joined += sum(is_joined)
        for joint, end, joined in zip(edge, (last, first) if is_reversed else (first, last), is_joined, strict=True):
            if any(is_joined):
                (joined_ends if joined else free_ends).setdefault(joint, []).append(end)
    for joint, ends in {**free_ends, **joined_ends}.items():
        body[joint] = (*np.median(ends, axis=0), 1.0)
    return body, num_joined


def _end_distances(limbs: Mapping[Edge, Ends], edge: Edge, joint: int, end: FloatArray) -> list[float]:
    """Distance from an end of the limb `edge` to the nearest end of each other limb at the joint."""
    others = [ends for other_edge, ends in limbs.items() if other_edge != edge and joint in other_edge]
    return [min(float(np.linalg.norm(other_end - end)) for other_end in ends) for ends in others]


def _move_nose_into_face(body: FloatArray, image: UInt8Array) -> None:
    """Replace the nose by the centre of a drawn face, which covers the upper end of the limb from the neck."""
    nose, neck = body[0, :2], body[1, :2]
    if not np.isfinite([nose, neck]).all():
        return
    length = float(np.linalg.norm(nose - neck))
    kernel = np.ones((max(3, round(length / 4)),) * 2, np.uint8)  # joins the points of a face
    is_white = (image.min(axis=2) >= FACE_VALUE).astype(np.uint8)
    _, _, stats, centres = cv2.connectedComponentsWithStats(cv2.dilate(is_white, kernel))
    is_near = np.linalg.norm(centres[1:] - nose, axis=1) <= 2 * length
    faces = stats[1:][is_near & (stats[1:, cv2.CC_STAT_AREA] >= length * length / 4)]
    if len(faces):
        left, top, width, height, _ = faces[faces[:, cv2.CC_STAT_AREA].argmax()]
        body[0, :2] = (left + (width - 1) / 2, top + (height - 1) / 2)


def _move_to_dots(body: FloatArray, dot_hues: UInt8Array, skeleton_format: SkeletonFormat) -> None:
    """Move each joint to the nearest dot of its colour; add joints whose limbs are too short to be visible.

    The limbs of eyes and ears, which a face covers, may be as long as that from the neck to the nose.
    """
    size = float(np.linalg.norm(np.nanmax(body[:, :2], axis=0) - np.nanmin(body[:, :2], axis=0)))
    limb_joints = body.copy()
    for joint, hue in skeleton_format.dots.items():
        expected, max_distance = limb_joints[joint, :2], DOT_SEARCH_SHARE * size
        if np.isnan(expected[0]) and joint in HEAD_JOINTS:
            expected = limb_joints[0, :2]
            max_distance = float(np.linalg.norm(expected - limb_joints[1, :2]))
        elif np.isnan(expected[0]):
            neighbours = [sum(edge) - joint for edge in skeleton_format.limbs.values() if joint in edge]
            expected = limb_joints[min(neighbours, key=lambda other: bool(np.isnan(limb_joints[other, 0]))), :2]
        centres = _round_centres((dot_hues == hue).astype(np.uint8), max_diameter=DOT_SEARCH_SHARE * size)
        distances = np.linalg.norm(centres - expected, axis=1)
        if len(centres) and distances.min() <= max_distance:
            body[joint] = (*centres[distances.argmin()], 1.0)


def _round_centres(mask: Mask, max_diameter: float) -> FloatArray:
    """Centres (n, 2) of the round components of a mask."""
    _, _, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    widths, heights, areas = (
        stats[1:, key].astype(np.float32) for key in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA)
    )
    is_round = (
        (np.maximum(widths, heights) <= 1.6 * np.minimum(widths, heights))
        & (np.maximum(widths, heights) <= max_diameter)
        & (areas >= 0.6 * widths * heights)
        & (areas >= MIN_LIMB_PIXELS)
    )
    return centres[1:][is_round].astype(np.float32)


COCO_18 = SkeletonFormat(
    "COCO",
    {hue_of(colour): (start, end) for start, end, colour in COCO_18_LIMBS},
    {joint: hue_of(colour) for joint, colour in zip(COCO_18_JOINTS, COCO_18_COLOURS, strict=True)},
)
LEG_EDGES: tuple[tuple[Edge, Edge], ...] = (((9, 10), (10, 11)), ((12, 13), (13, 14)))
_BODY_25_HUES = {(start, end): hue_of(colour) for start, end, colour in BODY_25_LIMBS}
BODY_25 = SkeletonFormat(
    "BODY_25",
    {
        hue: edge
        for edge, hue in _BODY_25_HUES.items()
        if hue not in [_BODY_25_HUES[lower_leg] for _, lower_leg in LEG_EDGES]
    },
    branching={_BODY_25_HUES[edges[1]]: edges for edges in LEG_EDGES},
)
