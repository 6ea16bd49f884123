"""The irises of both eyes: position in the eye, statistics, retargeting and drawing.

Irises are (2 * NUM_IRIS_POINTS, 2) in pixels of the frame, the left eye's centre and edge first; NaN for a closed eye.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, FloatArray, UInt8Array, View
from vid2vid_landmarks.drawing import SUBPIXEL_BITS, Polyline
from vid2vid_landmarks.topology import EYES, FACE_CURVES, NUM_IRIS_POINTS

IRIS_COLOUR = (90, 110, 255)
"""Colour in visualisations."""
NUM_CIRCLE_POINTS = 24
SUPERSAMPLING = 4

ComplexArray = NDArray[np.complex128]
IrisPatch = tuple[slice, slice, UInt8Array]


def iris_centres(irises: FloatArray) -> FloatArray:
    """The centres (2, 2) of both irises."""
    return irises[::NUM_IRIS_POINTS, :2]


def eye_widths(points: NDArray[Any]) -> NDArray[Any]:
    """Distances (2,) of the corners of each eye of a face (68, 2)."""
    return np.array([np.linalg.norm(points[eye.outer, :2] - points[eye.inner, :2]) for eye in EYES])


def eye_middles(points: NDArray[Any]) -> NDArray[Any]:
    """The points (2, 2) midway between the corners of each eye of a face (68, 2)."""
    return np.stack([(points[eye.outer, :2] + points[eye.inner, :2]) / 2 for eye in EYES])


def median_iris_diameter(annotations: Iterable[Annotation]) -> float | None:
    """Median diameter of the irises of a clip in eye widths; None if no annotation contains one."""
    diameters: list[float] = []
    for annotation in annotations:
        if annotation.quality <= 0 or "iris" not in annotation.points:
            continue
        irises = annotation.points["iris"][:, :2].reshape(2, NUM_IRIS_POINTS, 2)
        radii = np.linalg.norm(irises[:, 1:] - irises[:, :1], axis=2).mean(axis=1)
        diameters += (2 * radii / np.maximum(eye_widths(annotation.points["face"]), 1e-6)).tolist()
    known_diameters = [diameter for diameter in diameters if np.isfinite(diameter)]
    return float(np.median(known_diameters)) if known_diameters else None


def retarget_irises(irises: FloatArray, source_face: FloatArray, target_face: FloatArray, size: float) -> FloatArray:
    """Move irises to the same position relative to the corners of the eyes in `target_face` (68, 2).

    `size`: the ratio of the target's iris diameter to the source's, both in eye widths.
    """
    result = np.empty((2 * NUM_IRIS_POINTS, 2), dtype=np.float32)
    for side, eye in enumerate(EYES):
        rows = slice(side * NUM_IRIS_POINTS, (side + 1) * NUM_IRIS_POINTS)
        source_outer, source_inner = _to_complex(source_face[[eye.outer, eye.inner]])
        target_outer, target_inner = _to_complex(target_face[[eye.outer, eye.inner]])
        iris = (_to_complex(irises[rows]) - source_outer) / (source_inner - source_outer)
        iris = iris[0] + size * (iris - iris[0])
        moved = target_outer + iris * (target_inner - target_outer)
        result[rows] = np.stack([moved.real, moved.imag], axis=1)
    return result


def _to_complex(points: NDArray[Any]) -> ComplexArray:
    result: ComplexArray = points[:, 0].astype(np.float64) + 1j * points[:, 1].astype(np.float64)
    return result


def iris_patches(irises: FloatArray, curves: list[Polyline | None], view: View) -> Iterator[IrisPatch]:
    """Yield the rows, the columns and the coverage (h, w) uint8 of the part of each iris that lies between the lids.

    `curves`: those of `curve_polylines`. Without an iris or a lid, nothing is yielded for that eye.
    """
    angles = np.linspace(0, 2 * np.pi, NUM_CIRCLE_POINTS, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for part_name, iris in zip(("left_eye", "right_eye"), irises[:, :2].reshape(2, NUM_IRIS_POINTS, 2), strict=True):
        lids = [curve for (name, _), curve in zip(FACE_CURVES, curves, strict=True) if name == part_name]
        lid_points = [curve for curve in lids if curve is not None]
        if len(lid_points) == len(lids) and np.isfinite(iris).all():
            radius = np.linalg.norm(iris[1:] - iris[0], axis=1).mean()
            # The circle is transformed, because the view may change the aspect ratio.
            disc = view.transform_points((iris[0] + radius * circle).astype(np.float32))
            yield from _intersect(disc, np.concatenate(lid_points)[:, 0] / (1 << SUBPIXEL_BITS), view)


def _intersect(first: FloatArray, second: NDArray[Any], view: View) -> Iterator[IrisPatch]:
    """Yield the intersection of two polygons (n, 2), antialiased, if it is in the view."""
    low = np.clip(np.floor(first.min(axis=0)) - 1, 0, (view.width, view.height)).astype(int)
    high = np.clip(np.ceil(first.max(axis=0)) + 2, 0, (view.width, view.height)).astype(int)
    if (low >= high).any():
        return
    width, height = (high - low).tolist()
    masks = []
    for polygon in (first, second):
        mask = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), dtype=np.uint8)
        large_polygon = np.clip((polygon - low + 0.5) * SUPERSAMPLING - 0.5, -8e3, 8e3) * (1 << SUBPIXEL_BITS)
        cv2.fillPoly(mask, [np.rint(large_polygon).astype(np.int32)], 255, cv2.LINE_8, SUBPIXEL_BITS)
        masks.append(mask)
    coverage = cv2.resize(cv2.bitwise_and(masks[0], masks[1]), (width, height), interpolation=cv2.INTER_AREA)
    yield slice(low[1], high[1]), slice(low[0], high[0]), np.asarray(coverage, dtype=np.uint8)
