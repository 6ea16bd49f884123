"""A linear model of how the whole picture moves with the points of the subject, for aligning reference frames.

    u' = u + B(u) (q' - q)

u and u': where something is in a frame and in a reference frame, in coordinates in which the points of each have the
same place, size and angle. q and q': place, size and angle of the points in each frame, and the first principal
components of their shape (Cootes et al., PAMI 2001). B differs from place to place: hair follows a turn of the head
less than the nose does, the collar hardly, the background not at all. It is fitted to the optical flow between training
frames, see `training_data.motion_fit`.

Near the points, where they are known exactly, their remaining offsets are interpolated by radial basis functions.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.alignment import fit_complex_similarity
from vid2vid_cli.conditioning.annotation_json import array_from_json, array_to_json
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.data.scene_positions import Positions, as_complex

NUM_PLACE_VALUES = 4
POINT_RADIUS, POINT_NOISE = 0.2, 1.0
"""Radius of the basis functions at the points in root mean square radii of the points, and their regularisation."""
MAX_NODES = 128
"""Limit of the sides of the grid: 42 radii of the points."""
MAX_ARRAY_BYTES = 1 << 21
"""Limit of each array; the coefficients of MAX_NODES x MAX_NODES nodes and 12 values have 1.6 MB."""
MAX_REMAP_SIDE = 32000
"""Limit of the sides of OpenCV's maps."""
MIN_FACTOR = 1e-9
"""Of points that fit the shape at no size."""
_ARRAYS = (
    "rows",
    "mean_shape",
    "components",
    "place_mean",
    "place_scale",
    "max_differences",
    "origin",
    "coefficients",
)


@dataclass(frozen=True)
class LinearMotion:
    """The model of one dataset; arrays are float32."""

    rows: NDArray[np.uint16]
    """(n,) the rows of the points that all training frames have."""
    mean_shape: FloatArray
    """(n, 2) their mean shape: centre 0, root mean square radius 1."""
    components: FloatArray
    """(k, 2 n) from the offsets of the points' x, then y, from the mean shape, to k values of variance 1."""
    place_mean: FloatArray
    place_scale: FloatArray
    """(4,) mean and standard deviation of x, y, logarithm of the radius and angle."""
    max_differences: FloatArray
    """(4 + k,) limits of |q' - q|, which keep the model from extrapolating far."""
    origin: FloatArray
    """(2,) x and y of the grid's first node."""
    step: float
    """Distance of the grid's nodes."""
    coefficients: FloatArray
    """(gh, gw, 2, 4 + k) B at the nodes of the grid."""
    flip_rows: NDArray[np.intp] | None = None
    """Of horizontally flipped frames: the row of the mirror image of each point. The fields above are unflipped."""

    def to_json(self) -> dict[str, Any]:
        """The model of unflipped frames as JSON data."""
        return {"step": self.step, **{name: array_to_json(getattr(self, name)) for name in _ARRAYS}}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> LinearMotion:
        """The inverse of `to_json`. Raises ValueError for other data."""
        try:
            arrays = {name: array_from_json(data[name], MAX_ARRAY_BYTES) for name in _ARRAYS}
            model = LinearMotion(step=float(data["step"]), **arrays)
            is_valid = model.is_valid
        except (TypeError, KeyError, AttributeError, OverflowError, zlib.error) as error:
            raise ValueError(f"it is not a motion model ({type(error).__name__}: {error})") from None
        if not is_valid:
            raise ValueError("the arrays of the motion model do not fit each other")
        return model

    @property
    def is_valid(self) -> bool:
        """Whether the shapes fit each other and all values are finite."""
        num_rows, num_values = len(self.rows), len(self.components) + NUM_PLACE_VALUES
        shapes = {
            "rows": (num_rows,),
            "mean_shape": (num_rows, 2),
            "components": (num_values - NUM_PLACE_VALUES, 2 * num_rows),
            "place_mean": (NUM_PLACE_VALUES,),
            "place_scale": (NUM_PLACE_VALUES,),
            "max_differences": (num_values,),
            "origin": (2,),
            "coefficients": (*self.coefficients.shape[:2], 2, num_values),
        }
        has_types = self.rows.dtype == np.uint16 and all(getattr(self, n).dtype == np.float32 for n in _ARRAYS[1:])
        has_values = num_rows > 0 and self.coefficients.size > 0 and max(self.coefficients.shape) <= MAX_NODES
        has_scale = 0 < self.step < np.inf and bool((self.place_scale > 0).all())
        has_shapes = all(getattr(self, name).shape == shape for name, shape in shapes.items())
        is_finite = all(np.isfinite(getattr(self, name)).all() for name in _ARRAYS)
        return has_types and has_values and has_scale and has_shapes and is_finite

    def mirrored(self, flip_rows: NDArray[np.intp]) -> LinearMotion:
        """The model of the flipped frames, or of the original ones if it is that of the flipped ones."""
        return replace(self, flip_rows=flip_rows if self.flip_rows is None else None)

    def align(self, nodes: Positions, points: Positions, reference_points: Positions) -> Positions | None:
        """Where `nodes` of a frame are in a reference; None if points are missing.

        `points`, `reference_points`: (m,) all points of both, NaN where not detected.
        """
        if self.flip_rows is not None:
            original = self.mirrored(self.flip_rows)
            unflipped = (-frame_points.conj()[self.flip_rows] for frame_points in (points, reference_points))
            aligned = original.align(-nodes.conj(), *unflipped)
            return None if aligned is None else -aligned.conj()
        pose, reference_pose = self.pose(points), self.pose(reference_points)
        if pose is None or reference_pose is None:
            return None
        difference = np.clip(reference_pose.values - pose.values, -self.max_differences, self.max_differences)
        field = np.ascontiguousarray(self.coefficients @ difference.astype(np.float32))
        is_known = np.isfinite(points) & np.isfinite(reference_points)
        known_points = points[is_known]
        queries = np.concatenate([nodes.ravel(), known_points])
        moved = pose.normalise(queries)
        moved = reference_pose.denormalise(moved + self._interpolate(field, moved))
        offsets = reference_points[is_known] - moved[nodes.size :]
        kernels = _point_kernels(nodes.tobytes(), known_points.tobytes(), POINT_RADIUS * pose.radius)
        return (moved[: nodes.size] + _interpolate_offsets(*kernels, offsets)).reshape(nodes.shape)

    def normalise(self, points: Positions) -> Positions | None:
        """The points of a frame in coordinates u, unflipped; None if one that the model needs is missing."""
        if self.flip_rows is not None:
            points = -points.conj()[self.flip_rows]
        pose = self.pose(points)
        return None if pose is None else pose.normalise(points)

    def pose(self, points: Positions) -> PointPose | None:
        """The pose of all points (m,); None if one that the model needs is missing."""
        used = points[self.rows] if len(points) > int(self.rows.max()) else np.full(1, np.nan)
        if not np.isfinite(used).all():
            return None
        factor, shift = fit_to_shape(used, as_complex(self.mean_shape))
        place = place_values(factor, shift)
        place[3] = (place[3] - self.place_mean[3] + np.pi) % (2 * np.pi) - np.pi + self.place_mean[3]
        offsets = factor * used + shift - as_complex(self.mean_shape)
        shape = self.components @ np.concatenate([offsets.real, offsets.imag])
        return PointPose(factor, shift, np.concatenate([(place - self.place_mean) / self.place_scale, shape]))

    def _interpolate(self, field: FloatArray, positions: Positions) -> Positions:
        """The field (gh, gw, 2) at positions (m,), bilinear; outside the grid as on its sides."""
        columns = ((positions.real - self.origin[0]) / self.step).astype(np.float32)
        rows = ((positions.imag - self.origin[1]) / self.step).astype(np.float32)
        values = [
            cv2.remap(field, columns[None, part], rows[None, part], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[
                0
            ]
            for part in (slice(i, i + MAX_REMAP_SIDE) for i in range(0, len(positions), MAX_REMAP_SIDE))
        ]
        return as_complex(np.concatenate(values))


@dataclass(frozen=True)
class PointPose:
    """Place, size, angle and shape of the points of a frame."""

    factor: complex
    shift: complex
    """factor * position + shift: the coordinates in which the points fit the mean shape."""
    values: NDArray[np.float64]
    """(4 + k,) q, in standard deviations."""

    @property
    def radius(self) -> float:
        """Root mean square radius of the points."""
        return 1 / abs(self.factor)

    def normalise(self, positions: Positions) -> Positions:
        """Positions in the frame -> coordinates u."""
        result: Positions = self.factor * positions + self.shift
        return result

    def denormalise(self, coordinates: Positions) -> Positions:
        """Coordinates u -> positions in the frame."""
        result: Positions = (coordinates - self.shift) / self.factor
        return result


def fit_to_shape(points: Positions, shape: Positions) -> tuple[complex, complex]:
    """Factor and shift that map points (n,) to a shape with the centre 0, by least squares."""
    factor, shift = fit_complex_similarity(points, shape)
    return (factor, shift) if abs(factor) > MIN_FACTOR else (complex(MIN_FACTOR), complex(-MIN_FACTOR * points.mean()))


def place_values(factor: complex, shift: complex) -> NDArray[np.float64]:
    """(4,) x and y of the centre, logarithm of the radius, angle."""
    centre = -shift / factor
    return np.array([centre.real, centre.imag, -np.log(abs(factor)), np.angle(factor)])


@lru_cache(maxsize=4)
def _point_kernels(node_bytes: bytes, point_bytes: bytes, radius: float) -> tuple[NDArray[np.float64], FloatArray]:
    """The basis functions of n points at the points (n, n), regularised, and at the nodes (nodes, n).

    All references of a frame share them.
    """
    nodes, points = (np.frombuffer(data, np.complex128) for data in (node_bytes, point_bytes))
    system = _basis(points, points, radius) + POINT_NOISE * np.eye(len(points))
    return system, _basis(nodes.astype(np.complex64), points.astype(np.complex64), np.float32(radius))


def _basis(positions: NDArray[Any], points: NDArray[Any], radius: Any) -> NDArray[Any]:
    values = np.subtract.outer(positions.real, points.real) ** 2  # an array per axis: complex numbers are slow
    values += np.subtract.outer(positions.imag, points.imag) ** 2
    values *= -0.5 / radius**2
    result: NDArray[Any] = np.exp(values, out=values)
    return result


def _interpolate_offsets(system: NDArray[np.float64], node_basis: FloatArray, offsets: Positions) -> Positions:
    """Offsets of n points -> offsets (nodes,).

    The system is solved for the offsets of the points, with two right-hand sides, rather than for all nodes.
    """
    weights = np.linalg.solve(system, np.stack([offsets.real, offsets.imag], axis=1))
    return as_complex(node_basis @ weights.astype(np.float32))
