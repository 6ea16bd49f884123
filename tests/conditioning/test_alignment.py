"""Alignment of reference frames by points: the spline, and what does not move."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vid2vid_cli.conditioning import alignment
from vid2vid_cli.conditioning.alignment import GRID_STEP, align_points, fit_similarity, grid_nodes

SIZE = 97, 129
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
ENLARGED = np.array([[1.5, 0, 0.25], [0, 1.5, 0.25]])
"""Output pixels -> pixels of a reference at a higher resolution."""
POINTS = np.array([(56, 40), (72, 40), (64, 48), (56, 56), (72, 56)], np.float32)


def apply(matrix: NDArray[np.float64], points: NDArray[np.float32]) -> NDArray[np.float32]:
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def static_positions(base: NDArray[np.float64]) -> NDArray[np.float32]:
    return apply(base, grid_nodes(*SIZE))


def value_at(grid: NDArray[np.float32], point: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bilinear interpolation of a grid at a pixel."""
    x, y = point / GRID_STEP
    column, row = int(x), int(y)
    rows = grid[row : row + 2, column : column + 2]
    along_x = rows[:, 0] * (1 - (x - column)) + rows[:, 1] * (x - column)
    result: NDArray[np.float32] = along_x[0] * (1 - (y - row)) + along_x[1] * (y - row)
    return result


@pytest.mark.parametrize("size", [(1, 1), (8, 9), (33, 41), (97, 130)])
def test_grid_nodes_cover_the_image(size: tuple[int, int]) -> None:
    nodes = grid_nodes(*size)
    assert np.array_equal(nodes[0, 0], (0, 0))
    x_max, y_max = nodes[-1, -1]
    assert 0 <= x_max - (size[1] - 1) < GRID_STEP
    assert 0 <= y_max - (size[0] - 1) < GRID_STEP
    assert np.all(np.diff(nodes[:, 0, 1]) == GRID_STEP)
    assert np.all(np.diff(nodes[0, :, 0]) == GRID_STEP)


@pytest.mark.parametrize("base", [IDENTITY, ENLARGED])
def test_unmoved_points_give_base(base: NDArray[np.float64]) -> None:
    positions = align_points(POINTS, apply(base, POINTS), base, SIZE)
    assert positions.dtype == np.float32
    assert np.allclose(positions, static_positions(base), atol=1e-4)


@pytest.mark.parametrize("base", [IDENTITY, ENLARGED])
def test_similarity_moves_the_whole_image(base: NDArray[np.float64]) -> None:
    """Rotation, scale and shift of the points: what lies around them keeps its shape."""
    similarity = np.array([[1.1, -0.3, 6.0], [0.3, 1.1, -4.0]])
    positions = align_points(POINTS, apply(similarity, apply(base, POINTS)), base, SIZE)
    nodes = grid_nodes(*SIZE)
    expected = apply(similarity, apply(base, nodes.reshape(-1, 2))).reshape(nodes.shape)
    assert np.allclose(positions, expected, atol=1e-2)


def test_spline_passes_near_the_points_and_leaves_the_border() -> None:
    moved = POINTS + np.array([(2, 1), (-2, 0), (0, -2), (1, 2), (-1, -1)], np.float32)[: len(POINTS)]
    offsets = align_points(POINTS, moved, IDENTITY, SIZE) - static_positions(IDENTITY)
    similarity = fit_similarity(POINTS.astype(np.float64), moved.astype(np.float64))
    for point, target in zip(POINTS, moved, strict=True):
        assert np.allclose(value_at(offsets, point), target - point, atol=0.3)
    nodes = grid_nodes(*SIZE)
    expected = apply(similarity, nodes.reshape(-1, 2)).reshape(nodes.shape) - nodes
    for row in (0, -1):
        assert np.abs(offsets[row, :-1] - expected[row, :-1]).max() < 0.5


def test_missing_points_are_ignored() -> None:
    reference_points = POINTS + np.array([6, -4], np.float32)
    expected = align_points(POINTS[:4], reference_points[:4], IDENTITY, SIZE)
    for where in (0, 1):
        pair = [np.vstack([array[:4], [[500, 500]]]).astype(np.float32) for array in (POINTS, reference_points)]
        pair[where][4] = np.nan
        assert np.array_equal(align_points(*pair, IDENTITY, SIZE), expected)


def test_fewer_than_three_points_give_base() -> None:
    points = POINTS.copy()
    points[2:] = np.nan
    assert np.array_equal(align_points(points, POINTS + 9, ENLARGED, SIZE), static_positions(ENLARGED))
    no_points = np.empty((0, 2), np.float32)
    assert np.array_equal(align_points(no_points, no_points, IDENTITY, SIZE), static_positions(IDENTITY))


def test_thin_plate_kernel_is_its_formula() -> None:
    points, centres = np.random.default_rng(0).random((5, 2)), np.random.default_rng(1).random((4, 2))
    kernel = alignment._thin_plate_kernel(points, centres)
    for (row, column), value in np.ndenumerate(kernel):
        distance = float(np.hypot(*(points[row] - centres[column])))
        assert value == pytest.approx(distance**2 * np.log(distance), abs=1e-9)
