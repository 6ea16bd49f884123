"""Statistics of people in a clip: proportions, position and ground line, used for retargeting and framing.

Limb lengths are in body heights. The height is the distance from the ankles to the nose of an upright person, measured
along the bones, so bending does not change it. Projection shortens limbs and never lengthens them, so a true length is
estimated from the longest measurements. On a flat floor the height in pixels is linear in the foot's y; `far` and
`near` are two points of that line, as in the global pose normalisation of Chan et al., Everybody Dance Now (ICCV
2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Statistics
from vid2vid_pose.boxes import subject_box
from vid2vid_pose.topology import NUM_BODY_POINTS

Float64Array = NDArray[np.float64]

NOSE, NECK, MID_HIP = 0, 1, 8
ANKLES = (11, 14)
# Bones as (inner joint, outer joint), outwards from the hip; the left and right bones share one length.
BONES: dict[str, tuple[tuple[int, int], ...]] = {
    "torso": ((8, 1),),
    "head": ((1, 0),),
    "eye": ((0, 15), (0, 16)),
    "ear": ((15, 17), (16, 18)),
    "shoulder": ((1, 2), (1, 5)),
    "upper_arm": ((2, 3), (5, 6)),
    "forearm": ((3, 4), (6, 7)),
    "hip": ((8, 9), (8, 12)),
    "thigh": ((9, 10), (12, 13)),
    "shin": ((10, 11), (13, 14)),
    "heel": ((11, 24), (14, 21)),
    "foot": ((11, 22), (14, 19)),
    "toes": ((22, 23), (19, 20)),
}
# Approximate lengths of an adult, used for limbs that were not measured.
TYPICAL_LIMB_LENGTHS = {
    **{"torso": 0.33, "head": 0.13, "eye": 0.03, "ear": 0.05, "shoulder": 0.12, "upper_arm": 0.19, "forearm": 0.16},
    **{"hip": 0.06, "thigh": 0.27, "shin": 0.27, "heel": 0.04, "foot": 0.1, "toes": 0.03, "hand": 0.06, "face": 0.06},
}
HEIGHT_BONES = ("head", "torso", "thigh", "shin")  # bones whose lengths add up to the height

MIN_CONFIDENCE = 0.3  # joints of lower confidence are excluded from the statistics
LIMB_LENGTH_PERCENTILE = 90  # percentile of the measured lengths that estimates the true one
MIN_LIMB_LENGTH_SHARE = 0.5  # shorter limbs, relative to the typical length, were always foreshortened
UPRIGHT_HEIGHT_PERCENTILE = 80  # percentile of the heights at one depth that estimates the upright height
FOOT_LINE_PERCENTILES = (5, 95)  # percentiles of the foot line that define far and near
MIN_DEPTH_GROWTH = 0.05  # relative growth of the height from far to near below which a clip has one depth
MAX_HEIGHT_EXCESS = 0.1  # maximum relative excess over the line; a jump resembles a tall person far away
NUM_REWEIGHTING_ROUNDS = 20  # iterations of the reweighted line fit


def pose_statistics(annotations: Sequence[Annotation]) -> Statistics:
    """Statistics of a clip; {} if there are no people, and only the first five entries if no height can be measured.

    `height`, `width` of the frame; `num_detected_frames`; `num_people`; `subject_box` in pixels. `ground`: y of the
    foot line and body height there, in pixels, for `far`, `near` and `middle` (`far` = `near` at constant depth).
    `hip_range`: median, left and right end of the hip's x. `limb_lengths`: lengths in body heights. The order of the
    annotations does not matter; several people are pooled.
    """
    detected_annotations = [
        item for item in annotations if item.quality > 0 and np.isfinite(item.points["body"][:, :2]).any()
    ]
    if not detected_annotations:
        return {}
    first_annotation = annotations[0]
    basic_statistics: Statistics = {
        "height": first_annotation.height,
        "width": first_annotation.width,
        "num_detected_frames": len(detected_annotations),
        "num_people": len(detected_annotations[0].points["body"]) // NUM_BODY_POINTS,
        "subject_box": subject_box(detected_annotations),
    }
    people = zip(*map(_extract_people, detected_annotations), strict=True)
    all_bodies, all_extents = (np.concatenate(group) for group in people)
    is_present = np.isfinite(all_bodies).any(axis=(1, 2))
    bodies, extents = all_bodies[is_present], all_extents[is_present]
    measured_heights = _body_heights(bodies)
    if not np.isfinite(measured_heights).any():
        return basic_statistics
    foot_line_ys = _foot_line_y(bodies, measured_heights)
    is_measured = np.isfinite(measured_heights)
    ground = _fit_ground(foot_line_ys[is_measured], measured_heights[is_measured])
    expected_heights = height_at(ground, foot_line_ys)
    is_standing = ~(measured_heights > (1 + MAX_HEIGHT_EXCESS) * expected_heights)
    limb_lengths = {name: _bone_lengths(bodies, name) for name in BONES}
    limb_lengths |= {"hand": extents[:, :1], "face": extents[:, 1:]}
    limb_estimates = {
        name: _robust_max(length[is_standing] / expected_heights[is_standing, None])
        for name, length in limb_lengths.items()
    }
    hip_xs = bodies[:, MID_HIP, 0]
    if not np.isfinite(hip_xs).any():
        hip_xs = np.nanmedian(bodies[:, :, 0], axis=1)
    left, median, right = (round(float(x), 3) for x in np.nanpercentile(hip_xs, [2, 50, 98]))
    return {
        **basic_statistics,
        "ground": ground,
        "hip_range": {"x": median, "left": left, "right": right},
        # A limb that is always foreshortened, such as shoulders in profile, gives no length.
        "limb_lengths": {
            name: round(length, 5)
            for name, length in limb_estimates.items()
            if length > MIN_LIMB_LENGTH_SHARE * TYPICAL_LIMB_LENGTHS[name]
        },
    }


def height_at(ground: dict[str, Any], y: Any) -> Float64Array:
    """Body height in pixels at the foot line y: linear through far and near, at least a tenth of the far height."""
    far, near = ground["far"], ground["near"]
    span = near["y"] - far["y"]
    slope = (near["height"] - far["height"]) / span if span > 0 else 0.0  # one depth
    heights = far["height"] + slope * (np.asarray(y, dtype=np.float64) - far["y"])
    result: Float64Array = np.maximum(heights, 0.1 * far["height"])
    return result


def fill_mid_hip(body: Float64Array) -> Float64Array:
    """Fill in the missing mid-hip of bodies (..., 25, 2): the mean of both hips, or the one that is present."""
    body = body.copy()
    right, left = body[..., 9, :], body[..., 12, :]
    middle = np.where(np.isfinite(right + left), (right + left) / 2, np.where(np.isfinite(right), right, left))
    body[..., MID_HIP, :] = np.where(np.isfinite(body[..., MID_HIP, :]), body[..., MID_HIP, :], middle)
    return body


def _extract_people(annotation: Annotation) -> tuple[Float64Array, Float64Array]:
    """Bodies (p, 25, 2) of a frame, NaN at low confidence, and sizes (p, 2) of hand and face in pixels."""
    points = annotation.points["body"]
    bodies = points.reshape(-1, NUM_BODY_POINTS, points.shape[1]).astype(np.float64)
    positions = bodies[..., :2]
    if bodies.shape[2] > 2 and (bodies[..., 2] >= MIN_CONFIDENCE).any():
        positions = np.where(bodies[..., 2:] >= MIN_CONFIDENCE, positions, np.nan)
    extents = np.full((len(bodies), 2), np.nan)
    # Sizes: wrist to the middle finger's base; distance of the outer eye corners.
    for name, num_points, column, (start, end) in (
        ("left_hand", 21, 0, (0, 9)),
        ("right_hand", 21, 0, (0, 9)),
        ("face", 70, 1, (36, 45)),
    ):
        if name in annotation.points:
            part_points = annotation.points[name].reshape(len(bodies), num_points, -1)
            length = np.linalg.norm(part_points[:, end, :2] - part_points[:, start, :2], axis=-1)
            extents[:, column] = np.fmax(extents[:, column], length)
    return fill_mid_hip(positions), extents


def _bone_lengths(bodies: Float64Array, name: str) -> Float64Array:
    """Lengths (n, sides) of a bone in the image, in pixels."""
    pairs = np.asarray(BONES[name])
    result: Float64Array = np.linalg.norm(bodies[:, pairs[:, 1]] - bodies[:, pairs[:, 0]], axis=-1)
    return result


def _body_heights(bodies: Float64Array) -> Float64Array:
    """Height (n,) of each body along its bones in pixels; NaN if too few bones are visible.

    Missing bones are replaced by their typical share of the height: the median of this clip, or an adult's.
    """
    # The longer of two legs is the less foreshortened one.
    bone_lengths = np.stack([np.fmax.reduce(_bone_lengths(bodies, name), axis=1) for name in HEIGHT_BONES], axis=1)
    is_complete = np.isfinite(bone_lengths).all(axis=1)
    height_shares = np.array([TYPICAL_LIMB_LENGTHS[name] for name in HEIGHT_BONES])
    if is_complete.any():
        complete_lengths = bone_lengths[is_complete]
        height_shares = np.median(complete_lengths / complete_lengths.sum(axis=1, keepdims=True), axis=0)
        height_shares /= height_shares.sum()
    visible_share = np.isfinite(bone_lengths) @ height_shares
    # Without torso and legs, use neck and shoulders.
    bust_heights = (bone_lengths[:, 0] + _bone_lengths(bodies, "shoulder").sum(axis=1)) / (
        TYPICAL_LIMB_LENGTHS["head"] + 2 * TYPICAL_LIMB_LENGTHS["shoulder"]
    )
    heights: Float64Array = np.where(
        visible_share >= 0.25, np.nansum(bone_lengths, axis=1) / np.maximum(visible_share, 0.25), bust_heights
    )
    return heights


def _robust_max(values: Float64Array) -> float:
    """Percentile `LIMB_LENGTH_PERCENTILE` of the finite values; 0 if there are none."""
    return float(np.nanpercentile(values, LIMB_LENGTH_PERCENTILE)) if np.isfinite(values).any() else 0.0


def _foot_line_y(bodies: Float64Array, heights: Float64Array) -> Float64Array:
    """y of the lower ankle (n,); without ankles it is extrapolated from the hip, the neck or the nose."""
    foot_line_y: Float64Array = np.fmax.reduce(bodies[:, list(ANKLES), 1], axis=1)
    leg_length = TYPICAL_LIMB_LENGTHS["thigh"] + TYPICAL_LIMB_LENGTHS["shin"]
    for joint, height_above_foot in (
        (MID_HIP, leg_length),
        (NECK, leg_length + TYPICAL_LIMB_LENGTHS["torso"]),
        (NOSE, 1.0),
    ):
        foot_line_y = np.where(np.isfinite(foot_line_y), foot_line_y, bodies[:, joint, 1] + height_above_foot * heights)
    return foot_line_y


def _fit_ground(foot_line_ys: Float64Array, heights: Float64Array) -> dict[str, Any]:
    """Fit the line of heights over the foot line; returns its far and near ends and its middle.

    Jumps lift the feet of an unchanged body, and bending shortens a body on unchanged feet. Both are outliers, so the
    fit minimises absolute residuals.
    """
    is_finite = np.isfinite(foot_line_ys)
    foot_line_ys, heights = foot_line_ys[is_finite], heights[is_finite]
    slope, intercept = _fit_line(foot_line_ys, heights)
    end_ys = np.percentile(foot_line_ys, FOOT_LINE_PERCENTILES)
    has_one_depth = slope * (end_ys[1] - end_ys[0]) < MIN_DEPTH_GROWTH * np.median(heights)
    if has_one_depth:
        # Jumps only raise the feet, so the lower half contains the standing frames.
        end_ys = np.repeat(np.percentile(foot_line_ys, 75), 2)
        slope, intercept = 0.0, float(np.median(heights))
    else:
        is_inlier = heights <= (1 + MAX_HEIGHT_EXCESS) * (slope * foot_line_ys + intercept)
        end_ys = np.percentile(foot_line_ys[is_inlier], FOOT_LINE_PERCENTILES)
        foot_line_ys, heights = foot_line_ys[is_inlier], heights[is_inlier]
    expected_heights: Float64Array = slope * foot_line_ys + intercept
    upright_scale = float(np.percentile(heights / expected_heights, UPRIGHT_HEIGHT_PERCENTILE))
    middle_y = float(end_ys[0] if has_one_depth else np.median(foot_line_ys))
    ground_ys = {
        name: float(y) for name, y in zip(("far", "middle", "near"), (end_ys[0], middle_y, end_ys[1]), strict=True)
    }
    return {
        name: {"y": round(y, 3), "height": round(upright_scale * (slope * y + intercept), 3)}
        for name, y in ground_ys.items()
    }


def _fit_line(x: Float64Array, y: Float64Array) -> tuple[float, float]:
    """Slope (0 to 3) and intercept of the line of least absolute residuals, by iteratively reweighted least squares."""
    weights, centre = np.ones(len(x)), float(np.median(x))
    slope, intercept = 0.0, float(np.median(y))
    if np.ptp(x) < MIN_DEPTH_GROWTH * intercept:
        return 0.0, intercept
    for _ in range(NUM_REWEIGHTING_ROUNDS):
        total_weight = weights.sum()
        mx, my = float(weights @ (x - centre) / total_weight), float(weights @ y / total_weight)
        centred_x = x - centre - mx
        sum_of_squares = float((weights * centred_x) @ centred_x)
        slope = float(np.clip((weights * centred_x) @ (y - my) / max(sum_of_squares, 1e-9), 0, 3))
        intercept = my - slope * mx
        weights = 1 / np.maximum(np.abs(y - intercept - slope * (x - centre)), 0.01 * my)
    return slope, intercept - slope * centre
