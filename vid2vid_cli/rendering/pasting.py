"""Geometry and blending of a generated image that is pasted on another one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.core.geometry import FloatArray, ImageArray, View
from vid2vid_cli.media.images import Image, view_image


def to_uint8(image: Image) -> ImageArray:
    """An image of 8 bits."""
    return (image // 257).astype(np.uint8) if image.dtype == np.uint16 else image


def blend(base: ImageArray, image: Image, mask: FloatArray) -> Image:
    """`image` over `base` (uint8) by a mask (h, w), in the type of `image`; outside the mask, exactly `base`."""
    result = base.astype(np.uint16) * 257 if image.dtype == np.uint16 else base.copy()
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows):
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        weight = mask[box][:, :, None]
        mixed = result[box] * (1 - weight) + image[box].astype(np.float32) * weight
        result[box] = np.where(weight > 0, np.rint(mixed), result[box]).astype(result.dtype)
    return result


def warp_mask(mask: FloatArray, view: View) -> FloatArray:
    """A mask through a view; 0 outside its image."""
    shifted = view.array.copy()
    shifted[:, 2] -= shifted[:, :2].sum(axis=1)  # the padding moves the pixels by one
    return np.asarray(view_image(np.pad(mask, 1), matrix_view(shifted, view.height, view.width)), dtype=np.float32)


def matrix_view(matrix: NDArray[np.float64], height: int, width: int) -> View:
    """The view with a (2, 3) matrix."""
    row_x, row_y = (tuple(float(value) for value in row) for row in matrix)
    return View((row_x, row_y), height, width)  # type: ignore[arg-type]


def point_positions(annotation: Annotation, view: View) -> NDArray[np.float64]:
    """All points of an annotation in pixels of a view, (n, 2); NaN where nothing is detected."""
    positions = [view.transform_points(rows[:, :2]) for rows in annotation.points.values()]
    return np.concatenate(positions).astype(np.float64)


def fit_similarity(
    points: NDArray[np.float64], targets: NDArray[np.float64], *, can_rotate: bool
) -> NDArray[np.float64]:
    """The (2, 3) map of scale, shift and rotation that moves points (n, 2) closest to targets (n, 2), by least squares.

    Rows with NaN are ignored. With less than two points that differ, the points are only shifted.
    """
    is_known = np.isfinite(points).all(axis=1) & np.isfinite(targets).all(axis=1)
    z, w = (rows[is_known] @ np.array([1, 1j]) for rows in (points, targets))
    if not len(z):
        return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    z_mean, w_mean = z.mean(), w.mean()
    spread = float((np.abs(z - z_mean) ** 2).sum())
    factor = (np.conj(z - z_mean) * (w - w_mean)).sum() / spread if spread > 1e-6 else 1.0 + 0j
    if not can_rotate:
        factor = complex(max(factor.real, 1e-3), 0.0)
    shift = w_mean - factor * z_mean
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])
