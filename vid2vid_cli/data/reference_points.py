"""Points of a frame and of a reference frame that correspond to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner, View
from vid2vid_cli.conditioning.plugin_calls import plugin_fault
from vid2vid_cli.core.geometry import FloatArray


def corresponding_points(
    conditioners: Sequence[Conditioner],
    frame: tuple[Sequence[Annotation], Sequence[View]],
    reference: tuple[Sequence[Annotation], View],
) -> tuple[FloatArray, FloatArray, list[tuple[int, int]]]:
    """Points (n, 2) of the frame, those of the reference, and bones as rows: of the first conditioner with points.

    Each is in pixels of its view. Raises PluginError.
    """
    reference_annotations, reference_view = reference
    for conditioner, annotation, view, other in zip(conditioners, *frame, reference_annotations, strict=True):
        names = [
            name
            for name, points in annotation.points.items()
            if name in other.points and len(points) == len(other.points[name])
        ]
        if not names:
            continue
        offsets = dict(zip(names, accumulate((len(annotation.points[n]) for n in names), initial=0), strict=False))
        points = view.transform_points(np.concatenate([annotation.points[name][:, :2] for name in names]))
        reference_points = reference_view.transform_points(np.concatenate([other.points[n][:, :2] for n in names]))
        return points, reference_points, _offset_bones(conditioner, annotation, offsets)
    empty = np.empty((0, 2), np.float32)
    return empty, empty, []


def flip_rows(conditioners: Sequence[Conditioner], annotations: Sequence[Annotation]) -> NDArray[np.intp]:
    """The row of each point's mirror image, among all points of the first conditioner that has points."""
    conditioner, annotation = _first_with_points(conditioners, annotations)
    if conditioner is None or annotation is None:
        return np.empty(0, np.intp)
    offsets = accumulate((len(points) for points in annotation.points.values()), initial=0)
    numbered = {
        name: np.zeros_like(points) + np.arange(offset, offset + len(points), dtype=points.dtype)[:, None]
        for (name, points), offset in zip(annotation.points.items(), offsets, strict=False)
    }
    flipped = conditioner.hflip(replace(annotation, points=numbered)).points
    return np.concatenate([flipped[name][:, 1] for name in annotation.points]).astype(np.intp)


def context_rows(conditioners: Sequence[Conditioner], annotations: Sequence[Annotation]) -> NDArray[np.intp]:
    """The rows of `Conditioner.context_points`, among all points of the first conditioner that has points."""
    conditioner, annotation = _first_with_points(conditioners, annotations)
    if conditioner is None or annotation is None:
        return np.empty(0, np.intp)
    names = conditioner.context_points
    return np.flatnonzero(
        np.concatenate([np.full(len(rows), name in names) for name, rows in annotation.points.items()])
    )


def without_context_points(
    conditioners: Sequence[Conditioner], annotations: Sequence[Annotation]
) -> tuple[Annotation, ...]:
    """The annotations with only the points of the subject."""
    return tuple(
        replace(a, points={name: points for name, points in a.points.items() if name not in c.context_points})
        for c, a in zip(conditioners, annotations, strict=True)
    )


def shape_part_rows(
    conditioners: Sequence[Conditioner], annotations: Sequence[Annotation]
) -> tuple[NDArray[np.intp], ...]:
    """The rows of each of `Conditioner.shape_parts`, among all points of the first conditioner that has points.

    Raises PluginError.
    """
    conditioner, annotation = _first_with_points(conditioners, annotations)
    if conditioner is None or annotation is None:
        return ()
    lengths = {name: len(points) for name, points in annotation.points.items()}
    offsets = dict(zip(lengths, accumulate(lengths.values(), initial=0), strict=False))
    for name, row in chain.from_iterable(part.items() for part in conditioner.shape_parts.values()):
        if name in lengths and not 0 <= min(row, default=0) <= max(row, default=0) < lengths[name]:
            problem = f"the points {name!r} have only {lengths[name]} rows"
            raise plugin_fault(conditioner.spec.name, "shape_parts", problem)
    parts = conditioner.shape_parts.values()
    rows = ([offsets[name] + row for name in part if name in offsets for row in part[name]] for part in parts)
    return tuple(np.array(part, np.intp) for part in rows if part)


def _first_with_points(
    conditioners: Sequence[Conditioner], annotations: Sequence[Annotation]
) -> tuple[Conditioner, Annotation] | tuple[None, None]:
    """The first conditioner whose annotation has points, and that annotation; (None, None) if none has."""
    pairs = zip(conditioners, annotations, strict=True)
    return next((pair for pair in pairs if pair[1].points), (None, None))


def _offset_bones(
    conditioner: Conditioner, annotation: Annotation, offsets: Mapping[str, int]
) -> list[tuple[int, int]]:
    """The bones as rows of all points, those of `name` from `offsets[name]` on. Raises PluginError."""
    bones = []
    for name, pairs in conditioner.bones().items():
        if name in offsets and (num_points := len(annotation.points[name])) <= max(
            chain.from_iterable(pairs), default=0
        ):
            raise plugin_fault(conditioner.spec.name, "bones", f"the points {name!r} have only {num_points} rows")
        bones += [(first + offsets[name], second + offsets[name]) for first, second in pairs if name in offsets]
    return bones
