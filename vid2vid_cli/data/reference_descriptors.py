"""Descriptors of annotations: which frames are similar, and which frames cover the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vid2vid_cli.conditioning import Annotation, Conditioner, View
from vid2vid_cli.core.geometry import FloatArray

FAR_DISTANCE = 1e3
"""Distance between annotations that have no common points."""

Annotations = tuple[Annotation, ...]
"""One per conditioner."""


def with_points_of(annotation: Annotation, reference: Annotation) -> Annotation:
    """The annotation with the names and numbers of points of `reference`; NaN where it has none.

    The points of a source can differ from those of the training frames: a file without hands, another detector.
    """
    points = {
        name: annotation.points[name]
        if name in annotation.points and len(annotation.points[name]) == len(reference_points)
        else np.full_like(reference_points, np.nan)
        for name, reference_points in reference.points.items()
    }
    return replace(annotation, points=points)


def describe_annotations(
    conditioners: Sequence[Conditioner], annotations: Sequence[Annotation], views: Sequence[View]
) -> FloatArray:
    """The descriptors of all conditioners for one frame, concatenated, (d,) float32; see `Conditioner.describe`."""
    return np.concatenate([c.describe(a, view) for c, a, view in zip(conditioners, annotations, views, strict=True)])


def descriptor_distances(descriptors: FloatArray, descriptor: FloatArray) -> FloatArray:
    """Root mean squared differences (k,) of `descriptors` (k, d) from `descriptor` (d,), over values known in both."""
    differences = descriptors - descriptor
    sums: FloatArray = np.einsum("kd,kd->k", differences, differences)
    distances: FloatArray = np.sqrt(sums / np.float32(max(len(descriptor), 1)))
    incomplete = ~np.isfinite(sums) if len(descriptor) else np.ones(len(descriptors), bool)
    if incomplete.any():  # four times the time of the others
        distances[incomplete] = _known_distances(differences[incomplete])
    return distances


def _known_distances(differences: FloatArray) -> FloatArray:
    """Root mean squares (k,) of the finite values of `differences` (k, d)."""
    is_known = np.isfinite(differences)
    squares = np.where(is_known, differences, 0) ** 2
    counts = is_known.sum(axis=1)
    means = squares.sum(axis=1) / np.maximum(counts, 1)
    distances: FloatArray = np.where(counts > 0, np.sqrt(means), FAR_DISTANCE).astype(np.float32)
    return distances


def farthest_points(descriptors: FloatArray, count: int) -> list[int]:
    """Up to `count` rows that cover the others: each next one is the farthest from those before (Gonzalez, 1985).

    In the order of selection, so that the first ones cover the others too.
    """
    selected = [0]
    distances = descriptor_distances(descriptors, descriptors[0])
    while len(selected) < min(count, len(descriptors)) and distances.max() > 0:
        selected.append(int(distances.argmax()))
        distances = np.minimum(distances, descriptor_distances(descriptors, descriptors[selected[-1]]))
    return selected
