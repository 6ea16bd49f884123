"""The face as vid2vid's own networks saw it: drawn on the frame in whole pixels, and only then cropped and resized.

Curves are parabolas through three points at a time, two pixels wide; a distance map counts city blocks, three to a
level, on the frame, so that what it says of a distance depends on how large the frames are. Facts of NVIDIA/vid2vid's
face data set; for its networks alone, ours learn better from `drawing`.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, Floats, View, view_image
from vid2vid_landmarks.topology import CURVES

Ints = NDArray[np.int64]
STEEPEST = 1.0
"""Parabolas y = a x^2 + b x + c with a larger |a| are mistakes of the detector and left out."""
LEVEL = 3
"""City blocks to a level of a distance map, of 255."""


def channels(points: Floats | None, background: Bytes | None, view: View, height: int, width: int) -> Floats:
    """(15, view.height, view.width) from -1 to 1, of points (68, 2) of a frame (height, width); None: no face."""
    drawing = np.zeros((height, width), dtype=np.uint8)
    maps = []
    for curve in _curves(points) if points is not None else [()] * len(CURVES):
        alone = np.zeros_like(drawing)
        for xs, ys in curve:
            for dx, dy in ((0, 0), (-1, 0), (0, -1), (-1, -1)):
                alone[np.clip(ys + dy, 0, height - 1), np.clip(xs + dx, 0, width - 1)] = 255
        drawing |= alone
        maps.append(_distances(alone))
    if background is not None:
        np.maximum(drawing, background, out=drawing)
    seen = np.stack([view_image(image, view) for image in (drawing, *maps)])
    result: Floats = seen.astype(np.float32) / np.float32(127.5) - 1
    return result


def _distances(curve: Bytes) -> Bytes:
    if not curve.any():
        return np.full_like(curve, 255)
    far = cv2.distanceTransform(255 - curve, cv2.DIST_L1, 3)
    levels: Bytes = np.minimum(far / LEVEL, 255).astype(np.uint8)
    return levels


def _curves(points: Floats) -> Iterator[list[tuple[Ints, Ints]]]:
    """The pixels (x, y) of each curve, piece by piece; pieces with a missing point are left out."""
    whole = _with_forehead(points)
    for _, indices in CURVES:
        rows = whole[list(indices)]
        pieces = (rows[first : first + 3] for first in range(0, max(len(rows) - 1, 1), 2))
        yield [found for piece in pieces if np.isfinite(piece).all() and (found := _piece(piece)) is not None]


def _with_forehead(points: Floats) -> NDArray[np.float64]:
    """(83, 2) in whole pixels: the jaw again over the height of its ends, two thirds as tall, back to front."""
    found = np.trunc(points[:, :2].astype(np.float64))
    over = found[15:0:-1].copy()
    base = (found[0, 1] + found[16, 1]) / 2
    over[:, 1] = np.trunc(base + np.floor((base - over[:, 1]) * 2 / 3))
    return np.vstack([found, over])


def _piece(piece: NDArray[np.float64]) -> tuple[Ints, Ints] | None:
    """The pixels of a parabola through three points, or of a line through two, along the axis that they lie along."""
    steps = np.abs(np.diff(piece, axis=0)).max(axis=0)
    steep = steps[0] < steps[1]
    along, across = (piece[:, 1], piece[:, 0]) if steep else (piece[:, 0], piece[:, 1])
    degree = min(len(np.unique(along)), len(piece)) - 1
    if degree < 1:
        return None
    formula = np.polyfit(along, across, degree)
    if degree == 2 and abs(formula[0]) > STEEPEST:
        return None
    low, high = sorted((along[0], along[-1]))
    main = np.linspace(low, high, int(high - low))
    other = np.polyval(formula, main) + 1e-6  # so that a whole pixel is not the one before it
    one, two = main.astype(np.int64), other.astype(np.int64)
    return (two, one) if steep else (one, two)
