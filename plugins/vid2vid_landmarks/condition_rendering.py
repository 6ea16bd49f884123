"""Rendering of an annotation: the condition channels and their visualisation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vid2vid_cli.conditioning import Annotation, FloatArray, UInt8Array, View, view_image
from vid2vid_landmarks.drawing import (
    Polyline,
    curve_polylines,
    distance_maps,
    draw_coloured_curves,
    draw_coloured_line,
    draw_curves,
    line_between,
)
from vid2vid_landmarks.iris import IRIS_COLOUR, IrisPatch, iris_patches
from vid2vid_landmarks.nvidia_drawing import render_nvidia_condition
from vid2vid_landmarks.options import LandmarkOptions
from vid2vid_landmarks.topology import FACE_CURVES

TORSO_COLOUR = (150, 150, 90)
"""Colour in visualisations."""


def count_channels(options: LandmarkOptions) -> int:
    """Number of channels: drawing, 14 distance maps with `distance_maps`, irises with `iris`."""
    return 1 + len(FACE_CURVES) * options.distance_maps + _draws_irises(options)


def render_condition(annotation: Annotation, view: View, options: LandmarkOptions) -> FloatArray:
    """(num_channels, height, width) in [-1, 1], see `Landmarks.render`."""
    num_channels = count_channels(options)
    if options.drawing == "published":
        edges = annotation.images.get("background") if options.background_edges else None
        points = annotation.points.get("face") if annotation.quality > 0 else None
        return render_nvidia_condition(points, edges, view, annotation.height, annotation.width)[:num_channels]
    curves = _view_curves(annotation, view)
    drawing = draw_curves(curves, view)
    torso = _torso_line(annotation, view, options)
    if torso is not None:
        np.maximum(drawing, draw_curves([torso], view), out=drawing)
    if options.background_edges and "background" in annotation.images:
        np.maximum(drawing, view_image(annotation.images["background"], view), out=drawing)
    channels = np.empty((num_channels, view.height, view.width), dtype=np.float32)
    np.multiply(drawing, np.float32(1 / 127.5), out=channels[0])
    channels[0] -= 1
    maps = channels[1 : 1 + len(FACE_CURVES)] if options.distance_maps else channels[:0]
    if curves and options.distance_maps:
        distance_maps(curves, maps, min(view.full_size))
    else:
        maps[:] = 1
    if _draws_irises(options):
        channels[-1] = -1
        for rows, columns, coverage in _iris_patches(annotation, curves, view, options):
            patch = channels[-1, rows, columns]
            np.maximum(patch, coverage * np.float32(1 / 127.5) - 1, out=patch)
    return channels


def visualize_annotation(annotation: Annotation, view: View, options: LandmarkOptions) -> UInt8Array:
    """RGB image (height, width, 3) of the curves on black, see `Landmarks.visualize`."""
    canvas = np.zeros((view.height, view.width, 3), dtype=np.uint8)
    if options.background_edges and "background" in annotation.images:
        canvas[:] = (view_image(annotation.images["background"], view) // 2)[:, :, None]
    torso = _torso_line(annotation, view, options)
    if torso is not None:
        draw_coloured_line(canvas, torso, TORSO_COLOUR, min(view.full_size))
    curves = _view_curves(annotation, view)
    if curves:
        for rows, columns, coverage in _iris_patches(annotation, curves, view, options):
            canvas[rows, columns][coverage > 127] = IRIS_COLOUR
        draw_coloured_curves(canvas, curves, min(view.full_size))
    return canvas


def _draws_irises(options: LandmarkOptions) -> bool:
    return options.iris and options.drawing != "published"


def _view_curves(annotation: Annotation, view: View) -> list[Polyline | None]:
    points = annotation.points.get("face")
    if annotation.quality <= 0 or points is None or not np.isfinite(points).any():
        return []
    return curve_polylines(points[:, :2], view)


def _torso_line(annotation: Annotation, view: View, options: LandmarkOptions) -> Polyline | None:
    points = annotation.points.get("torso")
    if not options.torso or annotation.quality <= 0 or points is None or not np.isfinite(points).all():
        return None
    return line_between(view.transform_points(points[:, :2]))


def _iris_patches(
    annotation: Annotation, curves: list[Polyline | None], view: View, options: LandmarkOptions
) -> Iterator[IrisPatch]:
    if not (curves and options.iris and "iris" in annotation.points):
        return iter(())
    return iris_patches(annotation.points["iris"], curves, view)
