"""Drawing of the face as in NVIDIA/vid2vid: on the frame in whole pixels, then cropped and resized.

The resizing is Pillow's bilinear one, a triangle filter as wide as two output pixels, as in the published program.
Curves are parabolas through three points each, two pixels wide. A distance map has one level per three city blocks on
the frame, so its values depend on the frame size. This module reproduces the input of NVIDIA's published networks; for
other models `drawing` gives better conditions.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vid2vid_cli.conditioning import FloatArray, UInt8Array, View, view_image
from vid2vid_landmarks.topology import FACE_CURVES

IntArray = NDArray[np.int64]
MAX_CURVATURE = 1.0
"""Parabolas y = a x^2 + b x + c with a larger |a| are treated as detection errors and not drawn."""
CITY_BLOCKS_PER_LEVEL = 3
"""City-block distance per grey level (0..255) of a distance map."""


def render_nvidia_condition(
    points: FloatArray | None, background: UInt8Array | None, view: View, height: int, width: int
) -> FloatArray:
    """Render points (68, 2) of a frame (height, width) as (15, view.height, view.width) in [-1, 1]; None: no face."""
    drawing = np.zeros((height, width), dtype=np.uint8)
    distance_images = []
    for curve in _curve_pixels(points) if points is not None else [()] * len(FACE_CURVES):
        curve_image = np.zeros_like(drawing)
        for xs, ys in curve:
            for dx, dy in ((0, 0), (-1, 0), (0, -1), (-1, -1)):
                curve_image[np.clip(ys + dy, 0, height - 1), np.clip(xs + dx, 0, width - 1)] = 255
        drawing |= curve_image
        distance_images.append(_distance_image(curve_image))
    if background is not None:
        np.maximum(drawing, background, out=drawing)
    viewed_images = np.stack([_crop_and_resize(image, view) for image in (drawing, *distance_images)])
    result: FloatArray = viewed_images.astype(np.float32) / np.float32(127.5) - 1
    return result


def _crop_and_resize(image: UInt8Array, view: View) -> UInt8Array:
    """The image (h, w) through `view`, cropped to whole pixels before it is resized; rotated views are resampled."""
    (scale_x, shear_x, x), (shear_y, scale_y, y) = view.matrix
    if shear_x or shear_y or scale_x <= 0 or scale_y <= 0:
        return view_image(image, view)
    # The inverse of `View.from_box`.
    left, top = 0.5 - (x + 0.5) / scale_x, 0.5 - (y + 0.5) / scale_y
    box = [round(edge) for edge in (left, top, left + view.width / scale_x, top + view.height / scale_y)]
    height, width = image.shape
    padding = max(0, -box[0], -box[1], box[2] - width, box[3] - height)
    if padding:  # the border of the frame is replicated outside it, as by `view_image`
        image, box = np.pad(image, padding, mode="edge"), [edge + padding for edge in box]
    crop = Image.fromarray(np.ascontiguousarray(image[box[1] : box[3], box[0] : box[2]]))
    return np.asarray(crop.resize((view.width, view.height), Image.Resampling.BILINEAR))


def _distance_image(curve_image: UInt8Array) -> UInt8Array:
    if not curve_image.any():
        return np.full_like(curve_image, 255)
    distances = cv2.distanceTransform(255 - curve_image, cv2.DIST_L1, 3)
    levels: UInt8Array = np.minimum(distances / CITY_BLOCKS_PER_LEVEL, 255).astype(np.uint8)
    return levels


def _curve_pixels(points: FloatArray) -> Iterator[list[tuple[IntArray, IntArray]]]:
    """Yield the pixels (xs, ys) of each curve as a list of pieces; pieces with a missing point are omitted."""
    all_points = _append_forehead(points)
    for _, indices in FACE_CURVES:
        curve_points = all_points[list(indices)]
        pieces = (curve_points[first : first + 3] for first in range(0, max(len(curve_points) - 1, 1), 2))
        yield [
            pixels for piece in pieces if np.isfinite(piece).all() and (pixels := _parabola_pixels(piece)) is not None
        ]


def _append_forehead(points: FloatArray) -> NDArray[np.float64]:
    """(83, 2) in whole pixels: the points, then the jaw mirrored above its ends at 2/3 height, in reverse order."""
    rounded_points = np.trunc(points[:, :2].astype(np.float64))
    forehead = rounded_points[15:0:-1].copy()
    base_y = (rounded_points[0, 1] + rounded_points[16, 1]) / 2
    forehead[:, 1] = np.trunc(base_y + np.floor((base_y - forehead[:, 1]) * 2 / 3))
    return np.vstack([rounded_points, forehead])


def _parabola_pixels(points: NDArray[np.float64]) -> tuple[IntArray, IntArray] | None:
    """Pixels of a parabola through three points or a line through two, sampled along the axis of larger extent."""
    extents = np.abs(np.diff(points, axis=0)).max(axis=0)
    is_steep = extents[0] < extents[1]
    along, across = (points[:, 1], points[:, 0]) if is_steep else (points[:, 0], points[:, 1])
    degree = min(len(np.unique(along)), len(points)) - 1
    if degree < 1:
        return None
    coefficients = np.polyfit(along, across, degree)
    if degree == 2 and abs(coefficients[0]) > MAX_CURVATURE:
        return None
    low, high = sorted((along[0], along[-1]))
    along_samples = np.linspace(low, high, int(high - low))
    across_samples = (
        np.polyval(coefficients, along_samples) + 1e-6
    )  # rounding errors must not truncate an integer to the pixel before it
    along_pixels, across_pixels = along_samples.astype(np.int64), across_samples.astype(np.int64)
    return (across_pixels, along_pixels) if is_steep else (along_pixels, across_pixels)
