"""The 68 points as pictures: part curves, truncated distance maps, and a coloured drawing for people."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, Floats, View
from vid2vid_landmarks.topology import CURVES, PARTS, spline, with_forehead

SHIFT = 4  # OpenCV draws at 1/16 pixel
STEPS = 5  # samples between two points
WIDTH = 0.01  # line width as a share of the whole picture's shorter side: 2.5 pixels at 256
EXACT = 0.125 * (1 << SHIFT)  # how far lines for people may be from their curves: an eighth of a pixel
REACH = 0.5  # where the distance maps end, as a share of that side

COLOURS = {
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


def polylines(points: Floats, view: View) -> list[Polyline | None]:
    """The fourteen curves in the picture, (n, 1, 2) in 1/16 pixels; None where a point is missing."""
    weights, rows = spline(STEPS)
    # The forehead is mirrored in the frame, where the face is not yet stretched by the view.
    curves = view.points(weights @ with_forehead(points))
    if not np.isfinite(curves).all():
        partial = [_partial(points, view, index) for index in range(len(CURVES))]
        return [None if curve is None else _coded(curve) for curve in partial]
    coded = _coded(curves)
    return [coded[part] for part in rows]


def _partial(points: Floats, view: View, index: int) -> Floats | None:
    """One curve of an incomplete face (NaN times zero is NaN, so each is sampled on its own)."""
    weights, rows = spline(STEPS)
    block = weights[rows[index]]
    used = np.flatnonzero(np.abs(block).sum(axis=0) > 0)
    curve = view.points(block[:, used] @ with_forehead(points)[used])
    return curve if np.isfinite(curve).all() else None


def _coded(curve: Floats) -> Polyline:
    # Far outside the picture OpenCV's integers would overflow.
    return np.rint(np.clip(curve, -8e3, 8e3) * (1 << SHIFT)).astype(np.int32)[:, None]


def draw_curves(curves: list[Polyline | None], view: View) -> Bytes:
    """All curves in white on black (view.height, view.width), antialiased.

    Drawn several times larger and averaged: OpenCV's own antialiased lines have whole widths and lean to one side.
    """
    height, width, side = view.height, view.width, min(view.whole)
    canvas = np.zeros((height, width), dtype=np.uint8)
    lines = [curve for curve in curves if curve is not None]
    if not lines:
        return canvas
    times = 4 if min(height, width) <= 320 else 2
    ends = np.concatenate(lines)[:, 0] / (1 << SHIFT)
    margin = WIDTH * side + 2
    x0, y0 = np.clip(np.floor(ends.min(axis=0) - margin), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(ends.max(axis=0) + margin), 0, (width, height)).astype(int)
    if x0 >= x1 or y0 >= y1:
        return canvas
    fine = np.zeros((times * (y1 - y0), times * (x1 - x0)), dtype=np.uint8)
    offset = ((0.5 - np.array([x0, y0])) * times - 0.5) * (1 << SHIFT)
    larger = [np.rint(line * times + offset).astype(np.int32) for line in lines]
    # OpenCV draws a thickness of 2 n as 2 n + 1 pixels.
    thickness = max(2 * round((WIDTH * side * times - 1) / 2), 1)
    cv2.polylines(fine, larger, False, 255, thickness, cv2.LINE_8, SHIFT)
    cv2.resize(fine, (x1 - x0, y1 - y0), canvas[y0:y1, x0:x1], interpolation=cv2.INTER_AREA)
    return canvas


def distance_maps(curves: list[Polyline | None], out: Floats, side: int) -> None:
    """One map per curve into `out` (14, height, width): -1 on it, rising with the distance to 1 at `REACH` of `side`.

    A curve beyond the picture's border is as far as can be. Distances are smooth, so they are taken on a coarser grid
    and interpolated; the drawing has the exact place.
    """
    height, width = out.shape[1:]
    times = _coarser(min(height, width))
    rows, columns = -(-height // times), -(-width // times)
    scale = np.array([columns / width, rows / height])
    offset = (scale - 1) / 2 * (1 << SHIFT)  # the centre of pixel 0 of one grid in the other
    slope = np.float32(2 / (REACH * (min(rows, columns) * side / min(height, width))))
    mask = np.empty((rows, columns), dtype=np.uint8)
    for curve, channel in zip(curves, out, strict=True):
        if curve is None:
            channel.fill(1)
            continue
        mask.fill(255)
        line = np.rint(curve * scale + offset).astype(np.int32)
        cv2.polylines(mask, [line], False, 0, 1, cv2.LINE_8, SHIFT)
        far: NDArray[Any] = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
        far *= slope
        far -= 1
        np.minimum(far, 1, out=far)
        if times == 1:
            channel[:] = far
        else:
            cv2.resize(far, (width, height), channel, interpolation=cv2.INTER_LINEAR)


def _coarser(side: int) -> int:
    """How many pixels of a picture share one cell of the distance maps' grid, of at most 96 cells."""
    return max(1, -(-side // 96))


def draw_picture(canvas: Bytes, curves: list[Polyline | None], side: int) -> None:
    """The curves in one colour per part on (h, w, 3); `side` is that of the whole picture."""
    thickness = max(1, round(WIDTH * side))
    for (part, _), curve in zip(CURVES, curves, strict=True):
        if curve is not None:
            # A third of the corners, in a third of the time; of a ring it leaves the end out.
            line = np.concatenate([cv2.approxPolyDP(curve, EXACT, False), curve[-1:]])
            cv2.polylines(canvas, [line], False, COLOURS[part], thickness, cv2.LINE_AA, SHIFT)


def face_mask(points: Floats, height: int, width: int) -> Bytes:
    """255 inside the outline and every other part, on the frame itself."""
    view = View.of_box((0, 0, width, height), height, width)
    mask = np.zeros((height, width), dtype=np.uint8)
    curves = [curve for curve in polylines(points, view) if curve is not None]
    by_part: dict[str, list[Polyline]] = {name: [] for name in PARTS}
    for (part, _), curve in zip(CURVES, curves, strict=False):
        by_part[part].append(curve)
    for pieces in by_part.values():
        if pieces:
            cv2.fillPoly(mask, [np.concatenate(pieces)], 255, cv2.LINE_8, SHIFT)
    return mask


def background_edges(gray: Bytes, points: Floats | None) -> Bytes:
    """Canny edges of a grey frame outside the face, 255 on an edge; thresholds follow the median gradient."""
    smooth = cv2.GaussianBlur(gray, (0, 0), 1.0)
    dx = cv2.Sobel(smooth, cv2.CV_16S, 1, 0, ksize=3)
    dy = cv2.Sobel(smooth, cv2.CV_16S, 0, 1, ksize=3)
    strength = np.abs(dx.astype(np.int32)) + np.abs(dy)
    high = max(3.0 * float(np.median(strength)), 80.0)
    edges: NDArray[Any] = cv2.Canny(dx, dy, 0.4 * high, high)
    if points is not None:
        edges[face_mask(points, *gray.shape[:2]) > 0] = 0
    return edges.astype(np.uint8, copy=False)
