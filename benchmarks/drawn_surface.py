"""Surfaces around a centre, drawn from any side: a radius for each direction, on a grid of azimuth and elevation.

Colours are on the same grid. The surface is rotated, intersected with the rays of the pixels, and shaded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

GRID_HEIGHT, GRID_WIDTH = 576, 832
MAX_AZIMUTH = 2.3  # radians; the back is never visible
SUPERSAMPLING = 2
START_DEPTH, MAX_DEPTH = 1.35, 1.7
"""Where rays begin in front of the centre, and their length."""
AZIMUTH, ELEVATION = (
    values.astype(np.float32)
    for values in np.meshgrid(
        np.linspace(-MAX_AZIMUTH, MAX_AZIMUTH, GRID_WIDTH), np.linspace(-np.pi / 2, np.pi / 2, GRID_HEIGHT)
    )
)
DIRECTIONS: Floats = np.stack(
    [np.sin(AZIMUTH) * np.cos(ELEVATION), np.sin(ELEVATION), np.cos(AZIMUTH) * np.cos(ELEVATION)], -1
)


def vector(values: Any) -> Floats:
    """Values as an array."""
    return np.array(values, np.float32)


KEY_LIGHT, FILL_LIGHT = (
    direction / np.linalg.norm(direction) for direction in (vector([-0.55, -0.55, 0.63]), vector([0.8, -0.1, 0.6]))
)


class Surface(NamedTuple):
    """A surface on the grid, or on a part of it."""

    radius: Floats
    """(h, w); 1 is the unit of the scene."""
    colour: Floats
    """(h, w, 3) RGB from 0 to 1."""
    gloss: Floats
    """(h, w) from 0 to 1."""


def rotation_matrix(yaw: float, pitch: float, roll: float) -> Floats:
    """Matrix (3, 3) from the surface's axes (right, down, towards the camera) to the camera's; angles in radians."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(angle), np.sin(angle)) for angle in (yaw, pitch, roll))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(tilt @ nod @ turn, np.float32)


def _cells(points: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Column and row of the grid for points (n, 3) in the surface's axes, and their distances from the centre."""
    azimuth = np.arctan2(points[:, 0], points[:, 2])
    flat = np.hypot(points[:, 0], points[:, 2])
    elevation = np.arctan2(points[:, 1], flat)
    column = (azimuth + MAX_AZIMUTH) * ((GRID_WIDTH - 1) / (2 * MAX_AZIMUTH))
    row = (elevation + np.pi / 2) * ((GRID_HEIGHT - 1) / np.pi)
    return column.astype(np.float32), row.astype(np.float32), np.hypot(flat, points[:, 1]).astype(np.float32)


def _sample(values: Floats, column: Floats, row: Floats) -> Floats:
    """Values (h, w) or (h, w, 3) of the grid at n positions."""
    num_columns = 4096  # of a picture that cv2.remap can take
    count = len(column)
    padded = -(-count // num_columns) * num_columns
    maps = [np.pad(positions, (0, padded - count)).reshape(-1, num_columns) for positions in (column, row)]
    sampled = cv2.remap(values, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled.reshape(padded, *values.shape[2:])[:count], np.float32)


def _intersect(radius: Floats, rotation: Floats, x: Floats, y: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Points (n, 3) where the rays at (x, y) meet the surface, in its axes, and whether they do."""
    start = (np.stack([x, y, np.full_like(x, START_DEPTH)], -1) @ rotation).astype(np.float32)
    direction = -rotation[2]
    depth = np.zeros_like(x)
    active = np.arange(len(x))
    for _ in range(48):
        points = start[active] + depth[active, None] * direction
        column, row, distance = _cells(points)
        gap = distance - _sample(radius, column, row)
        depth[active] += np.where(gap > 0.002, np.clip(0.6 * gap, 0.003, 0.3), 0)
        active = active[(gap > 0.002) & (depth[active] < MAX_DEPTH)]
        if not len(active):
            break
    points = start + depth[:, None] * direction
    is_hit = depth < MAX_DEPTH
    is_hit[active] = False
    return points, is_hit


def _normals(radius: Floats) -> Floats:
    """Normals (h, w, 3) of the surface in its own axes."""
    points = DIRECTIONS * radius[..., None]
    normals = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9), np.float32)


def shade(colour: Floats, gloss: Floats, normals: Floats) -> Floats:
    """Light (..., 3) that surfaces reflect; `normals` in the camera's axes, and `gloss` (...) from 0 to 1."""
    half = (KEY_LIGHT + vector([0, 0, 1])) / np.linalg.norm(KEY_LIGHT + vector([0, 0, 1]))
    lit = np.clip(normals @ KEY_LIGHT * 0.75 + 0.25, 0, None)[..., None] * vector([0.86, 0.82, 0.76])
    lit = lit + np.clip(normals @ FILL_LIGHT, 0, None)[..., None] * vector([0.16, 0.19, 0.24])
    lit = lit + (0.24 - 0.1 * normals[..., 1:2])
    highlight = 0.35 * gloss * np.clip(normals @ half, 0, None) ** 24
    return np.asarray(colour * lit + highlight[..., None], np.float32)


def draw_surface(surface: Surface, rotation: Floats, size: int, *, x: float, y: float, unit: float) -> Floats:
    """RGB and coverage (size, size, 4) of a surface with its centre at (x, y) and a unit of `unit`; all in pixels."""
    concavity = cv2.GaussianBlur(surface.radius, (0, 0), 9) - surface.radius
    colour = surface.colour * np.clip(1 - 7 * np.clip(concavity, 0, None), 0.45, 1)[..., None]
    right, down = pixel_positions(size, x, y, unit)
    rows, columns = np.nonzero(np.hypot(right, down) < START_DEPTH)
    points, is_hit = _intersect(surface.radius, rotation, right[rows, columns], down[rows, columns])
    points, rows, columns = points[is_hit], rows[is_hit], columns[is_hit]
    column, row, _ = _cells(points)
    normals = _sample(_normals(surface.radius), column, row) @ rotation.T
    picture = np.zeros((*right.shape, 4), np.float32)
    picture[rows, columns, :3] = shade(_sample(colour, column, row), _sample(surface.gloss, column, row), normals)
    picture[rows, columns, 3] = 1
    return reduce_picture(picture)


def pixel_positions(size: int, x: float, y: float, unit: float) -> tuple[Floats, Floats]:
    """Positions to the right of (x, y) and below it, in units of `unit`, of the pixels before `reduce_picture`."""
    pixels = (np.arange(size * SUPERSAMPLING, dtype=np.float32) + 0.5) / SUPERSAMPLING
    right, down = np.meshgrid((pixels - x) / unit, (pixels - y) / unit)
    return right.astype(np.float32), down.astype(np.float32)


def reduce_picture(picture: Floats) -> Floats:
    """Average the pixels of a picture (2 h, 2 w, c)."""
    height, width = (side // SUPERSAMPLING for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.float32)
