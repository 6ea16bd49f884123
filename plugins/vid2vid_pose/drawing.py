"""Rendering of points as OpenPose's coloured skeleton, antialiased by exact pixel coverage, at any resolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, View
from vid2vid_pose.topology import (
    BODY_25_LIMBS,
    COCO_18_COLOURS,
    COCO_18_JOINTS,
    COCO_18_LIMBS,
    FACE_COLOUR,
    FACE_CURVES,
    FINGERS,
    NUM_BODY_POINTS,
    NUM_FACE_POINTS,
    NUM_HAND_POINTS,
    Colour,
)

PoseFormat = Literal["body_25", "coco_18"]

LIMB_WIDTH_SHARE = 0.01
"""Width of a limb as a share of the full image's height; vid2vid uses 7 pixels for 720."""
THIN_LINE_WIDTH_SHARE = 3 / 720
"""Width of fingers and face curves as a share of the full image's height."""
MIN_LINE_WIDTH_PX = 1.0
"""Minimum width in pixels; thinner lines flicker in motion."""
DOT_DIAMETER_RATIO = 1.25
"""Diameter of a joint's dot in limb widths."""
MIN_FACE_CONFIDENCE = 0.1
"""Minimum confidence of face points: OpenPose returns all 70 points of a detected head, at any confidence."""
MAX_COORDINATE_PX = 1e4
"""Points with a larger absolute coordinate, in pixels, are treated as detection errors."""


@dataclass(frozen=True)
class Stroke:
    """A polyline through points (n, 2) in pixels of the image, with round ends; one point is a dot."""

    points: FloatArray
    colour: Colour
    width: float


@dataclass(frozen=True, kw_only=True)
class SkeletonStyle:
    """Selection of what is drawn for each person."""

    format: PoseFormat = "body_25"
    has_head: bool = True
    has_hands: bool = True
    has_face: bool = True
    min_confidence: float = 0.05
    """Minimum confidence of the points that are drawn."""


def draw_skeletons(points: Mapping[str, FloatArray], view: View, style: SkeletonStyle) -> FloatArray:
    """Draw all skeletons on black: (view.height, view.width, 3) float32 RGB in [0, 255].

    Where strokes overlap, the colour is the coverage-weighted mean of theirs, independent of the order, and the
    coverage is the maximum. Dots are drawn on top.
    """
    view_points = {name: _project_points(rows, view, style.min_confidence) for name, rows in points.items()}
    canvas: FloatArray = _rasterise(_skeleton_strokes(view_points, view, style), view.height, view.width)
    if style.format == "coco_18" and "body" in view_points:
        dot_layer = _rasterise(_joint_dots(view_points["body"], view, style), view.height, view.width)
        dot_coverage = dot_layer[..., 3:] / 255
        canvas = (dot_layer[..., :3] + (1 - dot_coverage) * canvas[..., :3]).astype(np.float32)
    return np.ascontiguousarray(canvas[..., :3])


def _project_points(points: FloatArray, view: View, min_confidence: float) -> FloatArray:
    """Points (n, 3) in pixels of the view, with the confidence; NaN where the confidence is below `min_confidence`."""
    positions = view.transform_points(points[:, :2])
    is_confident = points[:, 2] >= min_confidence if points.shape[1] > 2 else np.ones(len(points), dtype=bool)
    is_valid = is_confident & (np.abs(positions) < MAX_COORDINATE_PX).all(axis=1)
    positions[~is_valid] = np.nan
    confidence = points[:, 2] if points.shape[1] > 2 else np.ones(len(points), dtype=np.float32)
    return np.column_stack([positions, confidence]).astype(np.float32)


def _skeleton_strokes(view_points: Mapping[str, FloatArray], view: View, style: SkeletonStyle) -> Iterator[Stroke]:
    """Strokes of limbs, fingers and face curves whose points are all present."""
    limb_width = max(LIMB_WIDTH_SHARE * view.full_size[0], MIN_LINE_WIDTH_PX)
    thin_width = max(THIN_LINE_WIDTH_SHARE * view.full_size[0], MIN_LINE_WIDTH_PX)
    edges = (
        BODY_25_LIMBS[0 if style.has_head else 4 :]
        if style.format == "body_25"
        else COCO_18_LIMBS[: 17 if style.has_head else 13]
    )
    for body in _split_people(view_points, "body", NUM_BODY_POINTS):
        for start, end, colour in edges:
            yield from _make_stroke(body[[start, end]], colour, limb_width)
    if style.has_hands:
        for name in ("left_hand", "right_hand"):
            for hand in _split_people(view_points, name, NUM_HAND_POINTS):
                for finger, colour in FINGERS:
                    yield from _make_stroke(hand[list(finger)], colour, thin_width)
    if style.has_face:
        for face in _split_people(view_points, "face", NUM_FACE_POINTS):
            confident_points = np.where(face[:, 2:] >= MIN_FACE_CONFIDENCE, face, np.float32(np.nan))
            for curve in FACE_CURVES:
                yield from _make_stroke(confident_points[list(curve)], FACE_COLOUR, thin_width)


def _joint_dots(bodies: FloatArray, view: View, style: SkeletonStyle) -> Iterator[Stroke]:
    width = DOT_DIAMETER_RATIO * max(LIMB_WIDTH_SHARE * view.full_size[0], MIN_LINE_WIDTH_PX)
    for body in bodies.reshape(-1, NUM_BODY_POINTS, 3):
        for joint, colour in zip(COCO_18_JOINTS, COCO_18_COLOURS, strict=True):
            if style.has_head or joint < 15:
                yield from _make_stroke(body[[joint]], colour, width)


def _split_people(view_points: Mapping[str, FloatArray], name: str, num_points: int) -> FloatArray:
    return (
        view_points[name].reshape(-1, num_points, 3)
        if name in view_points
        else np.empty((0, num_points, 3), dtype=np.float32)
    )


def _make_stroke(points: FloatArray, colour: Colour, width: float) -> Iterator[Stroke]:
    if np.isfinite(points[:, :2]).all():
        yield Stroke(points[:, :2], colour, width)


def _rasterise(strokes: Iterator[Stroke], height: int, width: int) -> FloatArray:
    """(height, width, 4) in [0, 255]: colour times coverage, and coverage."""
    canvas = np.zeros((height * width, 4), dtype=np.float32)
    segments = [(start, end, stroke) for stroke in strokes for start, end in _segments(stroke.points)]
    if not segments:
        return canvas.reshape(height, width, 4)
    starts, ends = np.stack([start for start, _, _ in segments]), np.stack([end for _, end, _ in segments])
    widths = np.array([stroke.width for _, _, stroke in segments], dtype=np.float32)
    colours = np.array([(*stroke.colour, 255) for _, _, stroke in segments], dtype=np.float32)
    pixel_indices, coverage, segment_indices = _segment_coverage(starts, ends, widths, height, width)
    max_coverage = np.zeros(height * width, dtype=np.float32)
    np.maximum.at(max_coverage, pixel_indices, coverage)
    covered_indices = np.flatnonzero(max_coverage)
    compact_indices = np.searchsorted(covered_indices, pixel_indices)
    weighted_colours = coverage[:, None] * colours[segment_indices]
    # (colour, coverage) sums weighted by coverage
    sums = np.stack(
        [np.bincount(compact_indices, channel, minlength=len(covered_indices)) for channel in weighted_colours.T],
        axis=1,
    )
    canvas[covered_indices] = sums * (max_coverage[covered_indices] * 255 / sums[:, 3])[:, None]
    return canvas.reshape(height, width, 4)


def _segments(points: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    if len(points) == 1:
        yield points[0], points[0]
    for index in range(len(points) - 1):
        yield points[index], points[index + 1]


def _segment_coverage(
    starts: FloatArray, ends: FloatArray, widths: FloatArray, height: int, width: int
) -> tuple[NDArray[np.int64], FloatArray, NDArray[np.int64]]:
    """Pixels that segments (n, 2) with round ends cover: flat indices, coverage in [0, 1], segment indices, (k,) each.

    The coverage falls linearly from 1 to 0 over one pixel, by the distance of the pixel's centre from the segment.
    Only pixels close to a segment are evaluated: for each step along its main axis, a window across.
    """
    is_steep = np.abs(ends[:, 1] - starts[:, 1]) >= np.abs(ends[:, 0] - starts[:, 0])
    # From here on, column 0 is the main axis of the segment and column 1 its side axis.
    axes = np.where(is_steep[:, None], np.array([[1, 0]]), np.array([[0, 1]]))
    starts, ends = np.take_along_axis(starts, axes, 1), np.take_along_axis(ends, axes, 1)
    main_sizes, side_sizes = np.where(is_steep, height, width), np.where(is_steep, width, height)
    main_length, side_length = (ends - starts).T
    slope = side_length / np.where(main_length == 0, np.float32(np.inf), main_length)
    radius = widths / 2 + 1
    first_steps = np.maximum(np.floor(np.minimum(starts[:, 0], ends[:, 0]) - radius), 0).astype(np.int64)
    last_steps = np.ceil(np.maximum(starts[:, 0], ends[:, 0]) + radius).astype(np.int64)
    num_steps = np.maximum(np.minimum(last_steps, main_sizes - 1) - first_steps + 1, 0)
    half_window = int(np.ceil(radius * np.sqrt(1 + slope * slope)).max()) + 1
    segment_indices = np.repeat(np.arange(len(starts)), num_steps)  # (steps of all segments,)
    step_offsets = np.arange(len(segment_indices)) - np.repeat(np.cumsum(num_steps) - num_steps, num_steps)
    main_pixels = first_steps[segment_indices] + step_offsets

    def per_step(values: NDArray[Any]) -> NDArray[Any]:
        return values[segment_indices][:, None]

    along = main_pixels.astype(np.float32)[:, None] - per_step(starts[:, 0])
    window_centres = np.rint(per_step(starts[:, 1]) + per_step(slope) * along).astype(np.int64)
    side_pixels = window_centres + np.arange(-half_window, half_window + 1)
    across = side_pixels.astype(np.float32) - per_step(starts[:, 1])
    squared_length = main_length * main_length + side_length * side_length
    projection = along * per_step(main_length) + across * per_step(side_length)
    fraction = np.clip(projection / per_step(np.where(squared_length == 0, np.float32(1), squared_length)), 0, 1)
    distances = np.hypot(along - fraction * per_step(main_length), across - fraction * per_step(side_length))
    coverage = np.clip(per_step(widths / 2 + np.float32(0.5)) - distances, 0, 1)
    steps, columns = np.nonzero((coverage > 0) & (side_pixels >= 0) & (side_pixels < per_step(side_sizes)))
    covered_main, covered_side = main_pixels[steps], side_pixels[steps, columns]
    rows_are_main = is_steep[segment_indices[steps]]
    flat_indices = np.where(rows_are_main, covered_main * width + covered_side, covered_side * width + covered_main)
    return flat_indices, coverage[steps, columns].astype(np.float32), segment_indices[steps]
