"""A linear model of how the whole picture moves with the points of the subject, for aligning reference frames.

    u' = u + B(u) (q' - q)

u and u': where something is in a frame and in a reference frame, in coordinates in which the points of each have the
same place, size and angle. q and q': place, size and angle of the points in each frame, the first principal components
of their shape (Cootes et al., PAMI 2001), and those of the places of context points, such as the torso below a face. B
differs from place to place: hair follows a turn of the head less than the nose does, the collar follows the torso, and
the background stands still. It is fitted to the optical flow between training frames, see `training_data.motion_fit`.
Where that gives no evidence, as on a plain wall, and for larger differences of the poses than in training, the
surroundings do not move.

Near the points, where they are known exactly, their remaining offsets are interpolated by radial basis functions.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.annotation_json import array_from_json, array_to_json
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.data.point_pose import NUM_PLACE_VALUES, PointPose
from vid2vid_cli.data.pose_model import PoseModel
from vid2vid_cli.data.scene_positions import Positions, as_complex
from vid2vid_cli.data.surroundings import moving_shares, static_coefficients, subject_share

POINT_RADIUS, POINT_NOISE = 0.2, 1.0
"""Radius of the basis functions at the points in root mean square radii of the points, and their regularisation."""
MIN_EXPONENT = -60.0
"""Of the basis functions."""
MAX_NODES = 128
"""Limit of the sides of the grid: 42 radii of the points."""
MAX_ARRAY_BYTES = 1 << 21
"""Limit of each array; the coefficients of MAX_NODES x MAX_NODES nodes and 16 values have as many."""
MAX_REMAP_SIDE = 32000
"""Limit of the sides of OpenCV's maps."""
_POSE_ARRAYS = ("rows", "mean_shape", "components", "place_mean", "place_scale")
_CONTEXT_ARRAYS = ("context_rows", "context_mean", "context_components")
"""Not in checkpoints from before."""
_ARRAYS = ("max_differences", "origin", "coefficients")


@dataclass(frozen=True)
class LinearMotion:
    """The model of one dataset; arrays are float32."""

    poses: PoseModel
    max_differences: FloatArray
    """(4 + k + c,) limits of |q' - q|: beyond them, B is that of `static_coefficients`."""
    origin: FloatArray
    """(2,) x and y of the grid's first node."""
    step: float
    """Distance of the grid's nodes."""
    coefficients: FloatArray
    """(gh, gw, 2, 4 + k + c) B at the nodes of the grid."""
    flip_rows: NDArray[np.intp] | None = None
    """Of horizontally flipped frames: the row of the mirror image of each point. The fields above are unflipped."""

    def to_json(self) -> dict[str, Any]:
        """The model of unflipped frames as JSON data."""
        pose_arrays = {name: array_to_json(getattr(self.poses, name)) for name in (*_POSE_ARRAYS, *_CONTEXT_ARRAYS)}
        return {"step": self.step, **pose_arrays, **{name: array_to_json(getattr(self, name)) for name in _ARRAYS}}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> LinearMotion:
        """The inverse of `to_json`. Raises ValueError for other data."""
        try:
            names = _POSE_ARRAYS + (_CONTEXT_ARRAYS if _CONTEXT_ARRAYS[0] in data else ())
            poses = PoseModel(**{name: array_from_json(data[name], MAX_ARRAY_BYTES) for name in names})
            arrays = {name: array_from_json(data[name], MAX_ARRAY_BYTES) for name in _ARRAYS}
            model = LinearMotion(poses, step=float(data["step"]), **arrays)
            is_valid = model.is_valid
        except (TypeError, KeyError, AttributeError, OverflowError, zlib.error) as error:
            raise ValueError(f"it is not a motion model ({type(error).__name__}: {error})") from None
        if not is_valid:
            raise ValueError("the arrays of the motion model do not fit each other")
        return model

    @property
    def is_valid(self) -> bool:
        """Whether the shapes fit each other and all values are finite."""
        names = _POSE_ARRAYS + _CONTEXT_ARRAYS
        arrays = {name: getattr(self.poses, name) for name in names} | {name: getattr(self, name) for name in _ARRAYS}
        has_types = all(
            array.dtype == (np.uint16 if name.endswith("rows") else np.float32) for name, array in arrays.items()
        )
        shapes = {
            "max_differences": (self.poses.num_values,),
            "origin": (2,),
            "coefficients": (*self.coefficients.shape[:2], 2, self.poses.num_values),
        }
        has_shapes = self.poses.is_valid and all(arrays[name].shape == shape for name, shape in shapes.items())
        has_values = self.coefficients.size > 0 and max(self.coefficients.shape) <= MAX_NODES
        is_finite = 0 < self.step < np.inf and all(np.isfinite(array).all() for array in arrays.values())
        return has_types and has_shapes and has_values and is_finite

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
        difference = reference_pose.difference(pose)
        limited = np.clip(difference, -self.max_differences, self.max_differences)
        field = np.ascontiguousarray(self.coefficients @ limited.astype(np.float32))
        if not np.array_equal(limited, difference):
            field += self.static_coefficients @ (difference - limited).astype(np.float32)
        is_known = np.isfinite(points) & np.isfinite(reference_points)
        known_points = points[is_known]
        queries = np.concatenate([nodes.ravel(), known_points])
        moved = pose.normalise(queries)
        moved = reference_pose.denormalise(moved + as_complex(self._interpolate(field, moved)))
        offsets = reference_points[is_known] - moved[nodes.size :]
        kernels = _point_kernels(nodes.tobytes(), known_points.tobytes(), POINT_RADIUS * pose.radius)
        return (moved[: nodes.size] + _interpolate_offsets(*kernels, offsets)).reshape(nodes.shape)

    def subject_offset(self, points: Positions, reference_points: Positions) -> float:
        """Distance between the subject's place, size and angle in two frames, in radii; inf if points are missing."""
        if self.flip_rows is not None:  # the distance of mirrored frames is the same
            points, reference_points = (-positions.conj()[self.flip_rows] for positions in (points, reference_points))
        pose, reference_pose = self.pose(points), self.pose(reference_points)
        return np.inf if pose is None or reference_pose is None else pose.distance(reference_pose)

    def subject_share(self, positions: Positions, points: Positions) -> FloatArray | None:
        """(h, w) from 0, surroundings, to 1, subject: whether positions (h, w) of a frame follow its points (m,).

        None if points are missing.
        """
        if self.flip_rows is not None:
            original = self.mirrored(self.flip_rows)
            return original.subject_share(-positions.conj(), -points.conj()[self.flip_rows])
        pose = self.pose(points)
        if pose is None:
            return None
        shares = self._interpolate(self._moving_shares, pose.normalise(positions.ravel()))
        subject_points = self.poses.without_context(points)
        subject_points = subject_points[np.isfinite(subject_points)]
        point_positions = (positions.ravel().astype(np.complex64), subject_points.astype(np.complex64))
        at_points = _basis(*point_positions, np.float32(POINT_RADIUS * pose.radius)).max(axis=1)
        result: FloatArray = np.maximum(subject_share(shares), at_points).reshape(positions.shape)
        return result

    @property
    def nodes(self) -> Positions:
        """(gh, gw) the coordinates u of the grid's nodes."""
        rows, columns = self.coefficients.shape[:2]
        y, x = np.mgrid[:rows, :columns]
        nodes: Positions = complex(*self.origin) + self.step * (x + 1j * y)
        return nodes

    @cached_property
    def static_coefficients(self) -> FloatArray:
        """(gh, gw, 2, 4 + k + c) B for surroundings that do not move; see `surroundings.static_coefficients`."""
        result = np.zeros_like(self.coefficients)
        result[..., :NUM_PLACE_VALUES] = static_coefficients(self.nodes, self.poses.place_mean, self.poses.place_scale)
        return result

    @cached_property
    def _moving_shares(self) -> FloatArray:
        """(gh, gw) see `surroundings.moving_shares`."""
        return moving_shares(self.coefficients, self.poses.place_mean, self.poses.place_scale)

    def normalise(self, points: Positions) -> Positions | None:
        """The points of a frame in coordinates u, unflipped; None if one that the model needs is missing."""
        if self.flip_rows is not None:
            points = -points.conj()[self.flip_rows]
        pose = self.pose(points)
        return None if pose is None else pose.normalise(points)

    def pose(self, points: Positions) -> PointPose | None:
        """The pose of all points (m,) of an unflipped frame; None if one that the model needs is missing."""
        return self.poses.pose(points)

    def _interpolate(self, field: FloatArray, positions: Positions) -> FloatArray:
        """The field (gh, gw, ...) at positions (m,), bilinear; outside the grid as on its sides."""
        columns = ((positions.real - self.origin[0]) / self.step).astype(np.float32)
        rows = ((positions.imag - self.origin[1]) / self.step).astype(np.float32)
        values = [
            cv2.remap(field, columns[None, part], rows[None, part], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[
                0
            ]
            for part in (slice(i, i + MAX_REMAP_SIDE) for i in range(0, len(positions), MAX_REMAP_SIDE))
        ]
        return np.concatenate(values)


@lru_cache(maxsize=4)
def _point_kernels(node_bytes: bytes, point_bytes: bytes, radius: float) -> tuple[NDArray[np.float64], FloatArray]:
    """Of the basis functions of n points: the inverse of the regularised system (n, n), values at the nodes (nodes, n).

    All references of a frame share them.
    """
    nodes, points = (np.frombuffer(data, np.complex128) for data in (node_bytes, point_bytes))
    system = _basis(points, points, radius) + POINT_NOISE * np.eye(len(points))
    node_basis = _basis(nodes.astype(np.complex64), points.astype(np.complex64), np.float32(radius))
    return np.linalg.inv(system).astype(np.float64, copy=False), node_basis


def _basis(positions: NDArray[Any], points: NDArray[Any], radius: Any) -> NDArray[Any]:
    values = np.subtract.outer(positions.real, points.real) ** 2  # an array per axis: complex numbers are slow
    values += np.subtract.outer(positions.imag, points.imag) ** 2
    values *= -0.5 / radius**2
    # Smaller values are denormal in float32, with which products take 30 times as long.
    np.maximum(values, MIN_EXPONENT, out=values)
    result: NDArray[Any] = np.exp(values, out=values)
    return result


def _interpolate_offsets(inverse: NDArray[np.float64], node_basis: FloatArray, offsets: Positions) -> Positions:
    """Offsets of n points -> offsets (nodes,)."""
    weights = inverse @ np.stack([offsets.real, offsets.imag], axis=1)
    return as_complex(node_basis @ weights.astype(np.float32))
