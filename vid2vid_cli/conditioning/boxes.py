"""Geometry of boxes (x0, y0, x1, y1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import Box, FloatArray, View

Vector = NDArray[np.float64]


def box_centre(box: Box) -> Vector:
    """Return the centre (2,)."""
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], dtype=np.float64)


def longer_side(box: Box) -> float:
    """Return the length of the longer side."""
    return max(box[2] - box[0], box[3] - box[1])


def box_area(box: Box) -> float:
    """Return width times height."""
    return (box[2] - box[0]) * (box[3] - box[1])


def square_around(box: Box, scale: float) -> Box:
    """Return the square with the same centre and `scale` times the longer side."""
    half_side = 0.5 * scale * longer_side(box)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return x - half_side, y - half_side, x + half_side, y + half_side


def bounding_box(points: NDArray[Any], view: View) -> FloatArray:
    """Return the bounding box (4,) in pixels of the view of points (n, 2 or more) in pixels of the frame.

    Points that are not finite are ignored; the box is NaN if there is no other point.
    """
    positions = view.transform_points(points[:, :2])
    positions = positions[np.isfinite(positions).all(axis=1)]
    if not len(positions):
        return np.full(4, np.nan, dtype=np.float32)
    half_pixel = np.float32(0.5)  # points are pixel centres, boxes are pixel edges
    box: FloatArray = np.concatenate([positions.min(axis=0), positions.max(axis=0)]) + half_pixel
    return box


def iou(box_a: Box, box_b: Box) -> float:
    """Return intersection over union, 0..1; 0 if a coordinate is NaN."""
    overlap_width = min(box_a[2], box_b[2]) - max(box_a[0], box_b[0])
    overlap_height = min(box_a[3], box_b[3]) - max(box_a[1], box_b[1])
    if not (overlap_width > 0 and overlap_height > 0):
        return 0.0
    return overlap_width * overlap_height / (box_area(box_a) + box_area(box_b) - overlap_width * overlap_height)
