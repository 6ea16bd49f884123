"""The usual shape of the points of a subject, from which the pose of each frame is computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.data.point_pose import NUM_PLACE_VALUES, PointPose, fit_to_shape, place_values
from vid2vid_cli.data.scene_positions import Positions, as_complex


@dataclass(frozen=True, eq=False)
class PoseModel:
    """Statistics of the points of all training frames; arrays are float32.

    Context points, such as the torso below a face, have places relative to the other points, and do not define place,
    size and angle. Checkpoints from before have none.
    """

    rows: NDArray[np.uint16]
    """(n,) the rows of the points that all training frames have, without context points."""
    mean_shape: FloatArray
    """(n, 2) their mean shape: centre 0, root mean square radius 1."""
    components: FloatArray
    """(k, 2 n) from the offsets of the points' x, then y, from the mean shape, to k values of variance 1."""
    place_mean: FloatArray
    place_scale: FloatArray
    """(4,) mean and standard deviation of x, y, logarithm of the radius and angle."""
    context_rows: NDArray[np.uint16] = field(default_factory=lambda: np.empty(0, np.uint16))
    """(m,) the rows of the context points that all training frames have."""
    context_mean: FloatArray = field(default_factory=lambda: np.empty((0, 2), np.float32))
    """(m, 2) their mean places in the coordinates of the mean shape."""
    context_components: FloatArray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    """(c, 2 m) as `components`, to c values."""

    @property
    def num_values(self) -> int:
        """4 + k + c."""
        return NUM_PLACE_VALUES + len(self.components) + len(self.context_components)

    @property
    def is_valid(self) -> bool:
        """Whether the shapes fit each other and the scales are positive; finite values are assumed."""
        num_rows, num_context = len(self.rows), len(self.context_rows)
        shapes = {
            "rows": (num_rows,),
            "mean_shape": (num_rows, 2),
            "components": (len(self.components), 2 * num_rows),
            "place_mean": (NUM_PLACE_VALUES,),
            "place_scale": (NUM_PLACE_VALUES,),
            "context_rows": (num_context,),
            "context_mean": (num_context, 2),
            "context_components": (len(self.context_components), 2 * num_context),
        }
        has_shapes = all(getattr(self, name).shape == shape for name, shape in shapes.items())
        return has_shapes and num_rows > 0 and bool((self.place_scale > 0).all())

    def pose(self, points: Positions) -> PointPose | None:
        """The pose of all points (m,); None if one that the model needs is missing. Context points may be missing."""
        return _find_pose(self, points.tobytes())

    def without_context(self, points: Positions) -> Positions:
        """The points (m,) with NaN for context points."""
        is_context = np.isin(np.arange(len(points)), self.context_rows)
        return np.where(is_context, np.nan, points)


@lru_cache(maxsize=16)
def _find_pose(model: PoseModel, point_bytes: bytes) -> PointPose | None:
    """All references of a frame share its pose, and successive frames have the same references."""
    points = np.frombuffer(point_bytes, np.complex128)
    used = _rows_of(points, model.rows)
    if not np.isfinite(used).all():
        return None
    factor, shift = fit_to_shape(used, as_complex(model.mean_shape))
    place = place_values(factor, shift)
    place[3] = (place[3] - model.place_mean[3] + np.pi) % (2 * np.pi) - np.pi + model.place_mean[3]
    shape = _project(model.components, factor * used + shift - as_complex(model.mean_shape))
    context_points = factor * _rows_of(points, model.context_rows) + shift
    context = _project(model.context_components, context_points - as_complex(model.context_mean))
    return PointPose(factor, shift, np.concatenate([(place - model.place_mean) / model.place_scale, shape, context]))


def _rows_of(points: Positions, rows: NDArray[np.uint16]) -> Positions:
    """The rows of the points (m,); all NaN if the points have fewer rows."""
    if len(rows) and int(rows.max()) >= len(points):
        return np.full(len(rows), np.nan + 0j)
    result: Positions = points[rows]
    return result


def _project(components: FloatArray, offsets: Positions) -> NDArray[np.float64]:
    result: NDArray[np.float64] = components @ np.concatenate([offsets.real, offsets.imag])
    return result
