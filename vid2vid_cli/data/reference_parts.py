"""Parts of a subject that change their shape by themselves: each may come from another reference frame.

One frame looks to the side with a closed mouth, another one speaks and looks ahead. References are chosen so that one
of them has the right eyes and one the right mouth, and near a part the one whose part has the right shape is preferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.data.linear_motion import LinearMotion
from vid2vid_cli.data.scene_positions import Positions

SHAPE_WEIGHT = 0.3
"""Weight of the difference of a shape, in root mean square radii of all points, beside the distance of descriptors."""
DISTANCE_SCALE = 100.0 / 60.0
"""Factor on the distance of descriptors in the mismatch, which holds where no part is near: 100 after the factor 60,
`reference_weights.MISMATCH_SCALE`."""
MIN_KNOWN_POINTS = 2
PART_RADIUS = 0.2
"""Standard deviation of the area of a part around its points, in root mean square radii of all points."""


class PartShapes:
    """The shapes of the parts of all reference frames, in the coordinates of their motion model."""

    def __init__(self, motion: LinearMotion, parts: Sequence[NDArray[np.intp]], points: Positions) -> None:
        """`parts`: rows of `points` (k, n), those of all frames."""
        self._motion, self._parts = motion, tuple(tuple(rows.tolist()) for rows in parts)
        unknown = np.full(points.shape[1], np.nan + 0j)
        normalised = [motion.normalise(frame) for frame in points]
        stacked = np.stack([unknown if frame is None else frame for frame in normalised])
        self._points = [_axes(stacked[:, rows]) for rows in map(list, self._parts)]
        """(2, k, rows) of each part."""

    def differences(self, points: Positions) -> FloatArray | None:
        """(n,) points of a frame -> (k, parts) root mean square differences; None if the frame has no pose.

        The mean offset of a part is no difference of its shape. Points that are missing in either frame are left out.
        """
        normalised = self._motion.normalise(points)
        if normalised is None:
            return None
        columns = []
        for rows, points_of_part in zip(map(list, self._parts), self._points, strict=True):
            offsets = points_of_part - _axes(normalised[rows])[:, None]
            is_known = np.isfinite(offsets[0])
            num_known = is_known.sum(axis=1)
            counts = np.maximum(num_known, 1)
            offsets = np.where(is_known, offsets, 0)
            squares = np.einsum("akr,akr->k", offsets, offsets)
            variances = squares / counts - ((offsets.sum(axis=2) / counts) ** 2).sum(axis=0)
            known = num_known >= MIN_KNOWN_POINTS
            # A part that is missing in a reference is as different as the most different one.
            variances = np.where(known, variances, variances[known].max(initial=0))
            columns.append(np.sqrt(np.maximum(variances, 0)))
        return SHAPE_WEIGHT * np.stack(columns, axis=1).astype(np.float32)

    def mismatch(self, differences: FloatArray, nodes: Positions, points: Positions) -> FloatArray:
        """The mismatch (gh, gw) of a reference with the differences (1 + parts,) of `ReferenceBank.differences`.

        `nodes` (gh, gw) and `points` (n,) of the frame: near the points of a part the difference of its shape counts,
        elsewhere that of the descriptors.
        """
        if self._motion.flip_rows is not None:
            points = points[self._motion.flip_rows]  # the rows of parts are those of unflipped frames
        points = self._motion.poses.without_context(points)
        shares = _part_shares(nodes.tobytes(), nodes.shape, points.tobytes(), self._parts)
        near_parts = np.tensordot(differences[1:] / SHAPE_WEIGHT, shares, 1)
        elsewhere = DISTANCE_SCALE * differences[0] * (1 - shares.max(axis=0))
        mismatch: FloatArray = (near_parts + elsewhere).astype(np.float32)
        return mismatch


@lru_cache(maxsize=4)
def _part_shares(
    node_bytes: bytes, shape: tuple[int, int], point_bytes: bytes, parts: tuple[tuple[int, ...], ...]
) -> FloatArray:
    """(parts, gh, gw) 1 at the points of a part, 0 far from them. All references of a frame have the same."""
    nodes, points = (np.frombuffer(data, np.complex128) for data in (node_bytes, point_bytes))
    known_points = points[np.isfinite(points)]
    radius = PART_RADIUS * float(np.sqrt((np.abs(known_points - known_points.mean()) ** 2).mean()))
    shares = np.zeros((len(parts), nodes.size), np.float32)
    for share, rows in zip(shares, parts, strict=True):
        part_points = points[list(rows)]
        part_points = part_points[np.isfinite(part_points)]
        if len(part_points):
            squares = np.subtract.outer(part_points.real, nodes.real) ** 2
            squares += np.subtract.outer(part_points.imag, nodes.imag) ** 2
            share[:] = np.exp(-0.5 * squares.min(axis=0) / max(radius, 1e-9) ** 2)
    return shares.reshape(len(parts), *shape)


def _axes(positions: Positions) -> NDArray[np.float64]:
    """(...) -> (2, ...) x and y: complex numbers are slow."""
    return np.stack([positions.real, positions.imag])
