"""Descriptors of annotations, by which similar frames are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vid2vid_cli.core.geometry import FloatArray, View

if TYPE_CHECKING:
    from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner

SMALL_SIDE = 16
"""Side of the images that annotations without points are compared on."""


def describe_annotation(conditioner: Conditioner, annotation: Annotation, view: View) -> FloatArray:
    """The default of `Conditioner.describe`, (d,) float32.

    Points in multiples of the image's height; without points, the condition reduced to SMALL_SIDE x SMALL_SIDE. Both
    are in coordinates of the output, so that position and size of the subject count.
    """
    if annotation.points:
        points = np.concatenate([rows[:, :2] for rows in annotation.points.values()])
        return (view.transform_points(points) / view.height).astype(np.float32).ravel()
    small_view = view.resize(SMALL_SIDE, SMALL_SIDE)
    return conditioner.render(annotation, small_view).astype(np.float32).ravel() / np.float32(SMALL_SIDE)
