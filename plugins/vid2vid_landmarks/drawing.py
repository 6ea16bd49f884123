"""Rendering of the 68 points: curves, truncated distance maps, and a coloured visualisation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, UInt8Array, View
from vid2vid_landmarks.topology import FACE_CURVES, FACE_PARTS, append_forehead, spline_weights

SUBPIXEL_BITS = 4  # fractional bits of OpenCV's fixed-point coordinates: 1/16 pixel
SAMPLES_PER_SEGMENT = 5  # curve samples between two points
LINE_WIDTH_SHARE = 0.01  # line width as a share of the full image's shorter side: 2.5 pixels at 256
APPROXIMATION_TOLERANCE = 0.125 * (1 << SUBPIXEL_BITS)  # tolerance of simplified curves: 1/8 pixel
MAX_DISTANCE_SHARE = 0.5  # distance at which the distance maps saturate, as a share of that side

PART_COLOURS = {
    "outline": (235, 235, 235),
    "left_brow": (255, 178, 60),
    "right_brow": (255, 178, 60),
    "nose": (120, 220, 120),
    "left_eye": (90, 190, 255),
    "right_eye": (90, 190, 255),
    "mouth": (255, 90, 110),
    "inner_mouth": (255, 150, 200),
}

Polyline = NDArray[np.int32]


def curve_polylines(points: FloatArray, view: View) -> list[Polyline | None]:
    """The fourteen curves as polylines (n, 1, 2) in 1/16 pixels of the view; None for a curve with a missing point."""
    weights, curve_slices = spline_weights(SAMPLES_PER_SEGMENT)
    # The forehead is mirrored in frame coordinates, because the view may change the aspect ratio.
    curves = view.transform_points(weights @ append_forehead(points))
    if not np.isfinite(curves).all():
        sampled_curves = [_sample_curve(points, view, index) for index in range(len(FACE_CURVES))]
        return [None if curve is None else _to_fixed_point(curve) for curve in sampled_curves]
    fixed_point_curves = _to_fixed_point(curves)
    return [fixed_point_curves[part] for part in curve_slices]


def _sample_curve(points: FloatArray, view: View, curve_index: int) -> FloatArray | None:
    """Sample one curve of an incomplete face; a joint product would spread NaN to all curves (0 * NaN = NaN)."""
    weights, curve_slices = spline_weights(SAMPLES_PER_SEGMENT)
    curve_weights = weights[curve_slices[curve_index]]
    used_indices = np.flatnonzero(np.abs(curve_weights).sum(axis=0) > 0)
    curve = view.transform_points(curve_weights[:, used_indices] @ append_forehead(points)[used_indices])
    return curve if np.isfinite(curve).all() else None


def line_between(points: FloatArray) -> Polyline:
    """The polyline (n, 1, 2) through points (n, 2) of the view."""
    return _to_fixed_point(points)


def _to_fixed_point(curve: FloatArray) -> Polyline:
    # OpenCV's integers overflow for points far outside the image.
    return np.rint(np.clip(curve, -8e3, 8e3) * (1 << SUBPIXEL_BITS)).astype(np.int32)[:, None]


def draw_curves(curves: list[Polyline | None], view: View) -> UInt8Array:
    """Draw all curves in white on black, antialiased: (view.height, view.width) uint8.

    The curves are drawn at a higher resolution and averaged, because OpenCV's antialiased lines have integer widths
    and are not centred on the curve.
    """
    height, width, image_side = view.height, view.width, min(view.full_size)
    canvas = np.zeros((height, width), dtype=np.uint8)
    lines = [curve for curve in curves if curve is not None]
    if not lines:
        return canvas
    supersampling = 4 if min(height, width) <= 320 else 2
    line_points = np.concatenate(lines)[:, 0] / (1 << SUBPIXEL_BITS)
    margin = LINE_WIDTH_SHARE * image_side + 2
    x0, y0 = np.clip(np.floor(line_points.min(axis=0) - margin), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(line_points.max(axis=0) + margin), 0, (width, height)).astype(int)
    if x0 >= x1 or y0 >= y1:
        return canvas
    large_canvas = np.zeros((supersampling * (y1 - y0), supersampling * (x1 - x0)), dtype=np.uint8)
    offset = ((0.5 - np.array([x0, y0])) * supersampling - 0.5) * (1 << SUBPIXEL_BITS)
    scaled_lines = [np.rint(line * supersampling + offset).astype(np.int32) for line in lines]
    # OpenCV draws a thickness of 2 n as 2 n + 1 pixels.
    thickness = max(2 * round((LINE_WIDTH_SHARE * image_side * supersampling - 1) / 2), 1)
    cv2.polylines(large_canvas, scaled_lines, False, 255, thickness, cv2.LINE_8, SUBPIXEL_BITS)
    cv2.resize(large_canvas, (x1 - x0, y1 - y0), canvas[y0:y1, x0:x1], interpolation=cv2.INTER_AREA)
    return canvas


def distance_maps(curves: list[Polyline | None], out: FloatArray, image_side: int) -> None:
    """Write one distance map per curve into `out` (14, height, width).

    Each map is -1 on its curve and rises linearly to 1 at `MAX_DISTANCE_SHARE * image_side` pixels. A missing curve,
    or one outside the image, gives 1 everywhere. Distances are computed on a coarser grid and interpolated; the
    drawing keeps the exact position.
    """
    height, width = out.shape[1:]
    downscale = _distance_downscale(min(height, width))
    num_rows, num_columns = -(-height // downscale), -(-width // downscale)
    scale = np.array([num_columns / width, num_rows / height])
    offset = (scale - 1) / 2 * (1 << SUBPIXEL_BITS)  # position of the centre of pixel 0 on the coarse grid
    slope = np.float32(2 / (MAX_DISTANCE_SHARE * (min(num_rows, num_columns) * image_side / min(height, width))))
    mask = np.empty((num_rows, num_columns), dtype=np.uint8)
    for curve, channel in zip(curves, out, strict=True):
        if curve is None:
            channel.fill(1)
            continue
        mask.fill(255)
        line = np.rint(curve * scale + offset).astype(np.int32)
        cv2.polylines(mask, [line], False, 0, 1, cv2.LINE_8, SUBPIXEL_BITS)
        distances: NDArray[Any] = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
        distances *= slope
        distances -= 1
        np.minimum(distances, 1, out=distances)
        if downscale == 1:
            channel[:] = distances
        else:
            cv2.resize(distances, (width, height), channel, interpolation=cv2.INTER_LINEAR)


def _distance_downscale(side: int) -> int:
    """Image pixels per cell of the distance grid, which has at most 96 cells along `side`."""
    return max(1, -(-side // 96))


def draw_coloured_curves(canvas: UInt8Array, curves: list[Polyline | None], image_side: int) -> None:
    """Draw the curves on `canvas` (h, w, 3), one colour per part; `image_side`: the full image's shorter side."""
    for (part_name, _), curve in zip(FACE_CURVES, curves, strict=True):
        if curve is not None:
            # A simplified curve has a third of the vertices; approxPolyDP drops the last point of a closed one.
            line = np.concatenate([cv2.approxPolyDP(curve, APPROXIMATION_TOLERANCE, False), curve[-1:]])
            draw_coloured_line(canvas, line, PART_COLOURS[part_name], image_side)


def draw_coloured_line(canvas: UInt8Array, line: Polyline, colour: tuple[int, int, int], image_side: int) -> None:
    """Draw a polyline on `canvas` (h, w, 3), in place."""
    thickness = max(1, round(LINE_WIDTH_SHARE * image_side))
    cv2.polylines(canvas, [line], False, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def face_mask(points: FloatArray, height: int, width: int) -> UInt8Array:
    """Mask (height, width) of the frame: 255 inside the face outline and inside every other part."""
    view = View.from_box((0, 0, width, height), height, width)
    mask = np.zeros((height, width), dtype=np.uint8)
    curves = [curve for curve in curve_polylines(points, view) if curve is not None]
    curves_by_part: dict[str, list[Polyline]] = {name: [] for name in FACE_PARTS}
    for (part_name, _), curve in zip(FACE_CURVES, curves, strict=False):
        curves_by_part[part_name].append(curve)
    for part_curves in curves_by_part.values():
        if part_curves:
            cv2.fillPoly(mask, [np.concatenate(part_curves)], 255, cv2.LINE_8, SUBPIXEL_BITS)
    return mask


def background_edges(frame: UInt8Array, points: FloatArray | None) -> UInt8Array:
    """Canny edges (255) of a frame outside the face, (h, w); the thresholds are proportional to the median gradient."""
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    blurred = cv2.GaussianBlur(gray, (0, 0), 1.0)
    dx = cv2.Sobel(blurred, cv2.CV_16S, 1, 0, ksize=3)
    dy = cv2.Sobel(blurred, cv2.CV_16S, 0, 1, ksize=3)
    magnitude = np.abs(dx.astype(np.int32)) + np.abs(dy)
    high_threshold = max(3.0 * float(np.median(magnitude)), 80.0)
    edges: NDArray[Any] = cv2.Canny(dx, dy, 0.4 * high_threshold, high_threshold)
    if points is not None:
        edges[face_mask(points, *gray.shape[:2]) > 0] = 0
    return edges.astype(np.uint8, copy=False)
