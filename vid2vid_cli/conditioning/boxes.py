"""Boxes (x0, y0, x1, y1) of people and things on a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import Box, Floats, View

Vector = NDArray[np.float64]


def centre(box: Box) -> Vector:
    """The middle (2,)."""
    middle: Vector = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], dtype=np.float64)
    return middle


def side(box: Box) -> float:
    """The longer side."""
    return max(box[2] - box[0], box[3] - box[1])


def area(box: Box) -> float:
    """Width times height."""
    return (box[2] - box[0]) * (box[3] - box[1])


def around(box: Box, times: float) -> Box:
    """A square about a box's centre, `times` its longer side."""
    half = 0.5 * times * side(box)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return x - half, y - half, x + half, y + half


def bounds(points: NDArray[Any], view: View) -> Floats:
    """The box (4,) about points (n, 2 or more) of a frame, in pixels of the picture; NaN where none of them is."""
    places = view.points(points[:, :2])
    places = places[np.isfinite(places).all(axis=1)]
    if not len(places):
        return np.full(4, np.nan, dtype=np.float32)
    box: Floats = np.concatenate([places.min(axis=0), places.max(axis=0)]) + np.float32(0.5)  # centres to edges
    return box


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, 0..1; 0 where a coordinate is NaN."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if not (wide > 0 and high > 0):
        return 0.0
    return wide * high / (area(one) + area(other) - wide * high)
