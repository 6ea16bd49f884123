"""Dense alignment of a reference frame with another frame of the same subject, from corresponding points.

The result gives for each pixel of the output the position in the reference that it is sampled from. Both models here
are smooth, so it is computed on a coarse grid. Where the subject does not move relative to the image, `base` applies.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import GRID_STEP, FloatArray

ANCHORS_PER_SIDE = 6
"""Points on each side of the image that the spline leaves in place."""
SPLINE_SMOOTHING = 1e-4
"""Weight of the bending energy; jitter of single points bends the image less."""
MIN_POINTS = 3

AffineMatrix = NDArray[np.float64]


def grid_nodes(height: int, width: int) -> FloatArray:
    """Positions (gh, gw, 2) of the grid's nodes in pixels: every GRID_STEP pixels, the last ones outside the image."""
    rows, columns = (np.arange(0, size - 1 + GRID_STEP, GRID_STEP, dtype=np.float32) for size in (height, width))
    x, y = np.meshgrid(columns, rows)
    return np.stack([x, y], axis=-1)


def align_points(
    points: FloatArray, reference_points: FloatArray, base: AffineMatrix, size: tuple[int, int]
) -> FloatArray:
    """Positions (gh, gw, 2) in pixels of the reference for each node of `grid_nodes`.

    `points`, `reference_points`: (n, 2) in pixels of the output and of the reference, NaN where not detected; only
    points in both are used. `base`: (2, 3), output pixels to reference pixels of whatever does not move with the
    subject. `size`: (height, width) of the output. Everything moves with the similarity transform that fits the points
    best, and a thin-plate spline (Bookstein, PAMI 1989) for its residuals passes near the points: hair and ears, which
    have no points, keep their shape. What does not move is then aligned wrongly; it is in the frame without alignment.
    Bodies are aligned by `bone_alignment.align_bones`.
    """
    nodes = grid_nodes(*size)
    base_positions = nodes @ base[:, :2].T.astype(np.float32) + base[:, 2].astype(np.float32)
    is_known: NDArray[np.bool_] = np.isfinite(np.concatenate([points, reference_points], axis=1)).all(axis=1)
    if is_known.sum() < MIN_POINTS:
        return base_positions
    moved_points, targets = points[is_known].astype(np.float64), reference_points[is_known].astype(np.float64)
    similarity = fit_similarity(moved_points, targets)
    base_positions = (nodes @ similarity[:, :2].T + similarity[:, 2]).astype(np.float32)
    residuals = targets - (moved_points @ similarity[:, :2].T + similarity[:, 2])
    offsets = _spline_offsets(nodes, moved_points, residuals, size)
    positions: FloatArray = base_positions + offsets.astype(np.float32)
    return positions


def fit_similarity(points: NDArray[np.float64], targets: NDArray[np.float64]) -> AffineMatrix:
    """The rotation, scale and translation (2, 3) from points (n, 2) to targets (n, 2), by least squares."""
    factor, shift = fit_complex_similarity(*(array @ np.array([1, 1j]) for array in (points, targets)))
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def fit_complex_similarity(points: NDArray[np.complex128], targets: NDArray[np.complex128]) -> tuple[complex, complex]:
    """Factor and shift that map points x + iy (n,) closest to targets (n,), by least squares."""
    offsets = points - points.mean()
    factor = complex((targets * offsets.conj()).sum() / max(float((np.abs(offsets) ** 2).sum()), 1e-12))
    return factor, complex(targets.mean() - factor * points.mean())


def _spline_offsets(
    nodes: FloatArray, centres: NDArray[np.float64], offsets: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float64]:
    """The smoothing spline through `offsets` (n, 2) at `centres` (n, 2), zero at the anchors on the image's sides."""
    operator = _spline_operator(centres.tobytes(), size)
    return (operator @ offsets).reshape(nodes.shape)


@lru_cache(maxsize=4)
def _spline_operator(centre_bytes: bytes, size: tuple[int, int]) -> NDArray[np.float64]:
    """The matrix (nodes, n) from offsets at n centres to those at the nodes; all references of a frame share it."""
    height, width = size
    scale = 1.0 / max(height, width)
    anchors = np.array(
        [(x, y) for x in np.linspace(0, width - 1, ANCHORS_PER_SIDE) for y in (0, height - 1)]
        + [(x, y) for y in np.linspace(0, height - 1, ANCHORS_PER_SIDE)[1:-1] for x in (0, width - 1)]
    )
    centres = np.frombuffer(centre_bytes).reshape(-1, 2)
    num_points = len(centres)
    centres = np.concatenate([centres, anchors]) * scale
    num_centres = len(centres)
    affine_terms = np.column_stack([np.ones(num_centres), centres])
    system = np.zeros((num_centres + 3, num_centres + 3))
    system[:num_centres, :num_centres] = _thin_plate_kernel(centres, centres)
    system[:num_centres, :num_centres] += SPLINE_SMOOTHING * np.eye(num_centres)
    system[:num_centres, num_centres:] = affine_terms
    system[num_centres:, :num_centres] = affine_terms.T
    coefficients = np.linalg.solve(system, np.eye(num_centres + 3, num_points))  # the anchors' offsets are zero
    flat_nodes = grid_nodes(height, width).reshape(-1, 2).astype(np.float64) * scale
    basis = np.column_stack([_thin_plate_kernel(flat_nodes, centres), np.ones(len(flat_nodes)), flat_nodes])
    operator: NDArray[np.float64] = basis @ coefficients
    return operator


def _thin_plate_kernel(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """r^2 log r of all distances, (n, m)."""
    squared = np.subtract.outer(points[:, 0], centres[:, 0]) ** 2  # an array per axis: a sum over two columns is slow
    squared += np.subtract.outer(points[:, 1], centres[:, 1]) ** 2
    kernel: NDArray[np.float64] = np.log(squared + 1e-12)
    kernel *= 0.5 * squared
    return kernel
