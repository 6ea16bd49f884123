"""Descriptors of annotations, by which similar frames are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import FloatArray, View

SMALL_SIDE = 16
"""Side of the images that annotations without points are compared on."""


def describe_annotation(
    points: Mapping[str, FloatArray], view: View, render: Callable[[View], NDArray[Any]]
) -> FloatArray:
    """The default of `Conditioner.describe` for an annotation with `points`, which `render` renders; (d,) float32.

    Points in multiples of the image's height; without points, the condition reduced to SMALL_SIDE x SMALL_SIDE. Both
    are in coordinates of the output, so that position and size of the subject count.
    """
    if points:
        rows = np.concatenate([array[:, :2] for array in points.values()])
        return (view.transform_points(rows) / view.height).astype(np.float32).ravel()
    return render(view.resize(SMALL_SIDE, SMALL_SIDE)).astype(np.float32).ravel() / np.float32(SMALL_SIDE)
