"""A body's proportions and place over a clip: what retargeting and framing know about a person.

Lengths of limbs are in units of the body's height, which is the distance between ankles and nose of somebody who
stands upright; measured along the body, so that bending does not shorten it. A picture shortens limbs and never
lengthens them, so the true length is looked for among the longest. Height in pixels is linear in the foot's y for
whoever walks on a flat floor; `near` and `far` are two points of that line, as in the global pose normalisation of
Chan et al., Everybody Dance Now (ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Statistics

Array = NDArray[np.float64]

JOINTS = 25  # of BODY_25, in OpenPose's order
NOSE, NECK, HIP = 0, 1, 8
ANKLES = (11, 14)
# Bones as (from the hip outwards, joint); the two sides of a body share their lengths.
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
# An adult's, roughly; used for what is not seen.
USUAL = {
    **{"torso": 0.33, "head": 0.13, "eye": 0.03, "ear": 0.05, "shoulder": 0.12, "upper_arm": 0.19, "forearm": 0.16},
    **{"hip": 0.06, "thigh": 0.27, "shin": 0.27, "heel": 0.04, "foot": 0.1, "toes": 0.03, "hand": 0.06, "face": 0.06},
}
HEIGHT = ("head", "torso", "thigh", "shin")  # what a height is made of

SURE = 0.3  # joints of a lower confidence do not count in the statistics
LONGEST = 90  # percentile of a limb's lengths that stands for the true one
LEAST = 0.5  # of the usual length: a limb below it has not been seen at its length
UNBENT = 80  # percentile of the heights at one depth that stands for the true one
SPAN = (5, 95)  # percentiles of the foot line that are far and near
DEPTH = 0.05  # share by which the height must grow from far to near, or the clip has one depth
OFF = 0.1  # share by which a height may exceed the line; a jump looks like somebody tall and far away
ROUNDS = 20  # of reweighting a line by its absolute residuals


def describe(annotations: Sequence[Annotation]) -> Statistics:
    """Statistics of a clip; {} where nobody was found, and no `limbs` where nobody can be measured.

    `height`, `width` of the frame and `focus` in pixels; `ground`: y of the foot line and the body's height there, in
    pixels, for `far`, `near` and the `middle` (`far` = `near` for who stays at one depth); `place`: the hip's x, its
    median and how far it goes; `limbs`: lengths in heights. The order of the annotations does not matter. People are
    pooled.
    """
    found = [one for one in annotations if one.quality > 0 and np.isfinite(one.points["body"][:, :2]).any()]
    if not found:
        return {}
    first = annotations[0]
    known: Statistics = {
        "height": first.height,
        "width": first.width,
        "frames": len(found),
        "people": len(found[0].points["body"]) // JOINTS,
        "focus": _focus(found),
    }
    seen, parts = (np.concatenate(group) for group in zip(*map(_people, found), strict=True))
    bodies, extents = seen[np.isfinite(seen).any(axis=(1, 2))], parts[np.isfinite(seen).any(axis=(1, 2))]
    sizes = _sizes(bodies)
    if not np.isfinite(sizes).any():
        return known
    feet = _foot_line(bodies, sizes)
    ground = _ground(feet[np.isfinite(sizes)], sizes[np.isfinite(sizes)])
    heights = height_at(ground, feet)
    standing = ~(sizes > (1 + OFF) * heights)
    lengths = {name: _lengths(bodies, name) for name in BONES}
    lengths |= {"hand": extents[:, :1], "face": extents[:, 1:]}
    limbs = {name: _longest(length[standing] / heights[standing, None]) for name, length in lengths.items()}
    hips = bodies[:, HIP, 0] if np.isfinite(bodies[:, HIP, 0]).any() else np.nanmedian(bodies[:, :, 0], axis=1)
    low, middle, high = np.nanpercentile(hips, [2, 50, 98])
    return {
        **known,
        "ground": ground,
        "place": {"x": round(float(middle), 3), "left": round(float(low), 3), "right": round(float(high), 3)},
        # Shoulders that are only seen from the side say nothing about their width.
        "limbs": {name: round(limb, 5) for name, limb in limbs.items() if limb > LEAST * USUAL[name]},
    }


def height_at(ground: dict[str, Any], y: Any) -> Array:
    """The body's height in pixels where the foot line is y, on the line through far and near; no less than a tenth."""
    far, near = ground["far"], ground["near"]
    span = near["y"] - far["y"]
    slope = (near["height"] - far["height"]) / span if span > 0 else 0.0  # one depth
    line = far["height"] + slope * (np.asarray(y, dtype=np.float64) - far["y"])
    result: Array = np.maximum(line, 0.1 * far["height"])
    return result


def complete(body: Array) -> Array:
    """Bodies (..., 25, 2) with the middle of the hips filled in where both hips or one of them are there."""
    body = body.copy()
    right, left = body[..., 9, :], body[..., 12, :]
    middle = np.where(np.isfinite(right + left), (right + left) / 2, np.where(np.isfinite(right), right, left))
    body[..., HIP, :] = np.where(np.isfinite(body[..., HIP, :]), body[..., HIP, :], middle)
    return body


def _people(one: Annotation) -> tuple[Array, Array]:
    """The people of a frame (p, 25, 2), joints of low confidence as NaN; size of their hands and faces (p, 2)."""
    points = one.points["body"]
    body = points.reshape(-1, JOINTS, points.shape[1]).astype(np.float64)
    places = body[..., :2]
    if body.shape[2] > 2 and (body[..., 2] >= SURE).any():
        places = np.where(body[..., 2:] >= SURE, places, np.nan)
    extents = np.full((len(body), 2), np.nan)
    # The palm; the outer corners of the eyes.
    for name, count, column, (start, end) in (
        ("left_hand", 21, 0, (0, 9)),
        ("right_hand", 21, 0, (0, 9)),
        ("face", 70, 1, (36, 45)),
    ):
        if name in one.points:
            part = one.points[name].reshape(len(body), count, -1)
            length = np.linalg.norm(part[:, end, :2] - part[:, start, :2], axis=-1)
            extents[:, column] = np.fmax(extents[:, column], length)
    return complete(places), extents


def _lengths(bodies: Array, name: str) -> Array:
    """How long a bone is in the picture, (n, sides)."""
    pairs = np.asarray(BONES[name])
    result: Array = np.linalg.norm(bodies[:, pairs[:, 1]] - bodies[:, pairs[:, 0]], axis=-1)
    return result


def _sizes(bodies: Array) -> Array:
    """The height of each body (n,) along itself; NaN where too little of it is seen.

    What is not seen is filled in by its usual share of the height: this person's where known, or an adult's.
    """
    # Of two legs the less foreshortened.
    parts = np.stack([np.fmax.reduce(_lengths(bodies, name), axis=1) for name in HEIGHT], axis=1)
    whole = np.isfinite(parts).all(axis=1)
    shares = np.array([USUAL[name] for name in HEIGHT])
    if whole.any():
        shares = np.median(parts[whole] / parts[whole].sum(axis=1, keepdims=True), axis=0)
        shares /= shares.sum()
    seen = np.isfinite(parts) @ shares
    # Of a bust, the neck and the shoulders.
    bust = (parts[:, 0] + _lengths(bodies, "shoulder").sum(axis=1)) / (USUAL["head"] + 2 * USUAL["shoulder"])
    sizes: Array = np.where(seen >= 0.25, np.nansum(parts, axis=1) / np.maximum(seen, 0.25), bust)
    return sizes


def _longest(shares: Array) -> float:
    """The usual largest value; 0 where there is none."""
    return float(np.nanpercentile(shares, LONGEST)) if np.isfinite(shares).any() else 0.0


def _foot_line(bodies: Array, sizes: Array) -> Array:
    """y of the lower ankle (n,); where no ankle is seen, where it would be below the hip, the neck or the nose."""
    line: Array = np.fmax.reduce(bodies[:, list(ANKLES), 1], axis=1)
    legs = USUAL["thigh"] + USUAL["shin"]
    for joint, above in ((HIP, legs), (NECK, legs + USUAL["torso"]), (NOSE, 1.0)):
        line = np.where(np.isfinite(line), line, bodies[:, joint, 1] + above * sizes)
    return line


def _ground(feet: Array, sizes: Array) -> dict[str, Any]:
    """The line of heights over the foot line, given by its far and near ends, and its middle.

    A jump lifts the feet of an unchanged body, and bending shortens a body whose feet stay: absolute residuals let
    the majority decide, which does neither.
    """
    sound = np.isfinite(feet)
    feet, sizes = feet[sound], sizes[sound]
    slope, level = _line(feet, sizes)
    ends = np.percentile(feet, SPAN)
    one_depth = slope * (ends[1] - ends[0]) < DEPTH * np.median(sizes)
    if one_depth:
        # Jumps only lift: whoever stands, stands in the lower half.
        ends = np.repeat(np.percentile(feet, 75), 2)
        slope, level = 0.0, float(np.median(sizes))
    else:
        usual = sizes <= (1 + OFF) * (slope * feet + level)
        ends = np.percentile(feet[usual], SPAN)
        feet, sizes = feet[usual], sizes[usual]
    line: Array = slope * feet + level
    unbent = float(np.percentile(sizes / line, UNBENT))
    middle = float(ends[0] if one_depth else np.median(feet))
    points = {name: float(y) for name, y in zip(("far", "middle", "near"), (ends[0], middle, ends[1]), strict=True)}
    return {name: {"y": round(y, 3), "height": round(unbent * (slope * y + level), 3)} for name, y in points.items()}


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Slope (0 to 3) and level of the line of least absolute residuals, by reweighted least squares."""
    weights, centre = np.ones(len(x)), float(np.median(x))
    slope, level = 0.0, float(np.median(y))
    if np.ptp(x) < DEPTH * level:
        return 0.0, level
    for _ in range(ROUNDS):
        total = weights.sum()
        mx, my = float(weights @ (x - centre) / total), float(weights @ y / total)
        moved = x - centre - mx
        squares = float((weights * moved) @ moved)
        slope = float(np.clip((weights * moved) @ (y - my) / max(squares, 1e-9), 0, 3))
        level = my - slope * mx
        weights = 1 / np.maximum(np.abs(y - level - slope * (x - centre)), 0.01 * my)
    return slope, level - slope * centre


def _focus(found: Sequence[Annotation]) -> list[float]:
    """The box that holds the people through the clip, hair and shoes included, in edge coordinates inside the frame."""
    boxes = []
    for one in found:
        points = np.concatenate([group[:, :2] for group in one.points.values()])
        boxes.append([*np.nanmin(points, axis=0), *np.nanmax(points, axis=0)])
    low, high = np.percentile(boxes, 2, axis=0)[:2] + 0.5, np.percentile(boxes, 98, axis=0)[2:] + 0.5
    tall = np.median(np.diff(np.asarray(boxes)[:, 1::2]))
    # The topmost point may be a nose, the lowest an ankle.
    low, high = low - tall * np.array([0.08, 0.12]), high + tall * np.array([0.08, 0.07])
    size = np.array([found[0].width, found[0].height], dtype=np.float64)
    low, high = np.clip(low, 0, size - 1), np.clip(high, 1, size)
    return [round(float(value), 2) for value in (*low, *np.maximum(high, low + 1))]
