"""Points as OpenPose's coloured skeleton, painted at any size with exact edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Floats, View
from vid2vid_pose.topology import (
    BODY,
    COCO_18,
    DOTS_18,
    FACE,
    FACE_CURVES,
    FINGERS,
    HAND,
    LIMBS,
    LIMBS_18,
    WHITE,
    Colour,
)

LIMB = 0.01
"""Width of a limb as a share of the whole picture's height: vid2vid draws 7 pixels on 720 lines."""
LINE = 3 / 720
"""Width of fingers and of the face's curves, likewise."""
THINNEST = 1.0
"""Pixels; a thinner line would come and go as it moves."""
DOT = 1.25
"""Diameter of a joint's dot, in widths of a limb."""
FACE_SURE = 0.1
"""Least confidence of a point of the face: OpenPose gives all 70 of a head it has seen, sure or not."""
FAR = 1e4
"""Pixels outside the picture beyond which a point is taken for a mistake."""


@dataclass(frozen=True)
class Stroke:
    """A line through points (n, 2) of the picture with round ends; one point is a dot."""

    points: Floats
    colour: Colour
    width: float


@dataclass(frozen=True)
class Style:
    """What is drawn of a person."""

    joints: int = 25
    """25 or 18: OpenPose's BODY_25 or COCO drawing."""
    head: bool = True
    hands: bool = True
    face: bool = True
    least: float = 0.05
    """Least confidence of a point that is drawn."""


def draw(points: Mapping[str, Floats], view: View, style: Style) -> Floats:
    """Everybody's skeleton (view.height, view.width, 3) float32 RGB in 0..255 on black.

    Where lines overlap their colours are averaged by how much of the pixel each covers, whatever the order, and the
    pixel is covered as by the one that covers most. Dots lie on top.
    """
    seen = {name: _places(rows, view, style.least) for name, rows in points.items()}
    canvas: Floats = _paint(_lines(seen, view, style), view.height, view.width)
    if style.joints == 18 and "body" in seen:
        dots = _paint(_dots(seen["body"], view, style), view.height, view.width)
        top = dots[..., 3:] / 255
        canvas = (dots[..., :3] + (1 - top) * canvas[..., :3]).astype(np.float32)
    return np.ascontiguousarray(canvas[..., :3])


def _places(rows: Floats, view: View, least: float) -> Floats:
    """Points (n, 3) in the picture, NaN where they are not sure enough; the third column is the confidence."""
    places = view.points(rows[:, :2])
    sure = rows[:, 2] >= least if rows.shape[1] > 2 else np.ones(len(rows), dtype=bool)
    sound = sure & (np.abs(places) < FAR).all(axis=1)
    places[~sound] = np.nan
    confidence = rows[:, 2] if rows.shape[1] > 2 else np.ones(len(rows), dtype=np.float32)
    return np.column_stack([places, confidence]).astype(np.float32)


def _lines(seen: Mapping[str, Floats], view: View, style: Style) -> Iterator[Stroke]:
    """Limbs, fingers and curves of which every point is there."""
    limb, thin = max(LIMB * view.whole[0], THINNEST), max(LINE * view.whole[0], THINNEST)
    edges = LIMBS[0 if style.head else 4 :] if style.joints == 25 else LIMBS_18[: 17 if style.head else 13]
    for body in _people(seen, "body", BODY):
        for one, other, colour in edges:
            yield from _stroke(body[[one, other]], colour, limb)
    if style.hands:
        for name in ("left_hand", "right_hand"):
            for hand in _people(seen, name, HAND):
                for finger, colour in FINGERS:
                    yield from _stroke(hand[list(finger)], colour, thin)
    if style.face:
        for face in _people(seen, "face", FACE):
            sure = np.where(face[:, 2:] >= FACE_SURE, face, np.float32(np.nan))
            for curve in FACE_CURVES:
                yield from _stroke(sure[list(curve)], WHITE, thin)


def _dots(bodies: Floats, view: View, style: Style) -> Iterator[Stroke]:
    width = DOT * max(LIMB * view.whole[0], THINNEST)
    for body in bodies.reshape(-1, BODY, 3):
        for joint, colour in zip(COCO_18, DOTS_18, strict=True):
            if style.head or joint < 15:
                yield from _stroke(body[[joint]], colour, width)


def _people(seen: Mapping[str, Floats], name: str, count: int) -> Floats:
    return seen[name].reshape(-1, count, 3) if name in seen else np.empty((0, count, 3), dtype=np.float32)


def _stroke(points: Floats, colour: Colour, width: float) -> Iterator[Stroke]:
    if np.isfinite(points[:, :2]).all():
        yield Stroke(points[:, :2], colour, width)


def _paint(strokes: Iterator[Stroke], height: int, width: int) -> Floats:
    """(height, width, 4): colour times coverage, and coverage, 0..255."""
    sums = np.zeros((height * width, 4), dtype=np.float32)  # colour and cover, each times cover
    most = np.zeros(height * width, dtype=np.float32)
    for stroke in strokes:
        colour = np.array([*stroke.colour, 255], dtype=np.float32)
        for one, other in _segments(stroke.points):
            here, cover = _coverage(one, other, stroke.width, height, width)
            sums[here] += cover[:, None] * colour
            most[here] = np.maximum(most[here], cover)
    painted = np.flatnonzero(most)
    part = sums[painted]
    sums[painted] = part * (most[painted] * 255 / part[:, 3])[:, None]
    return sums.reshape(height, width, 4)


def _segments(points: Floats) -> Iterator[tuple[Floats, Floats]]:
    if len(points) == 1:
        yield points[0], points[0]
    for index in range(len(points) - 1):
        yield points[index], points[index + 1]


def _coverage(
    one: Floats, other: Floats, thickness: float, height: int, width: int
) -> tuple[NDArray[np.int64], Floats]:
    """Which pixels of a picture a segment with round ends covers, as flat indices (n,), and how much (n,) in 0..1.

    The distance of the pixel's centre to the segment decides: an edge half a pixel away covers nothing or all. Only
    pixels about the line are looked at: for each step along its main axis a few across.
    """
    steep = abs(other[1] - one[1]) >= abs(other[0] - one[0])
    main, side = (1, 0) if steep else (0, 1)
    size, limit = (height, width) if steep else (width, height)
    reach = thickness / 2 + 1
    first = max(int(np.floor(min(one[main], other[main]) - reach)), 0)
    last = min(int(np.ceil(max(one[main], other[main]) + reach)), size - 1)
    along = np.arange(first, last + 1, dtype=np.float32)[:, None] - one[main]
    length, lean = other[main] - one[main], other[side] - one[side]
    slope = lean / length if length else 0.0
    half = int(np.ceil(reach * np.sqrt(1 + slope * slope))) + 1
    place = np.rint(one[side] + slope * along).astype(np.int64) + np.arange(-half, half + 1)
    across = place.astype(np.float32) - one[side]
    square = length * length + lean * lean
    share = np.clip((along * length + across * lean) / square, 0, 1) if square else np.zeros_like(across)
    far = np.sqrt((along - share * length) ** 2 + (across - share * lean) ** 2)
    cover = np.clip(np.float32(thickness / 2 + 0.5) - far, 0, 1)
    rows, columns = np.nonzero((cover > 0) & (place >= 0) & (place < limit))
    step = rows + first
    index = step * width + place[rows, columns] if steep else place[rows, columns] * width + step
    return index, cover[rows, columns].astype(np.float32)
