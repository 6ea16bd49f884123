"""Alignment of reference frames by bones: positions, hidden limbs, the best reference of each limb."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.conditioning.bone_alignment import GRID_STEP, align_bones, bone_costs, bone_proximity

SIZE = 97, 129
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
ENLARGED = np.array([[1.5, 0, 0.25], [0, 1.5, 0.25]])
"""Output pixels -> pixels of a reference at a higher resolution."""
POINTS = np.array([(56, 40), (72, 40), (64, 48), (56, 56), (72, 56)], np.float32)
BONES = ((0, 1), (1, 2), (3, 4))
ARM = np.array([(30, 48), (62, 48), (94, 48)], np.float32)
"""Shoulder, elbow and wrist; the forearm points to the right."""
BENT_ARM = np.array([(30, 48), (62, 48), (62, 80)], np.float32)
"""The forearm points down."""
ARM_BONES = ((0, 1), (1, 2))


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


@pytest.mark.parametrize("base", [IDENTITY, ENLARGED])
def test_unmoved_bones_give_base_and_are_visible(base: NDArray[np.float64]) -> None:
    aligned = align_bones(POINTS, apply(base, POINTS), base, SIZE, BONES)
    assert aligned.positions.dtype == np.float32
    assert np.allclose(aligned.positions, static_positions(base), atol=1e-3)
    assert np.abs(aligned.mismatch).max() < 0.01
    assert aligned.log_visibility.min() > -0.01


def test_less_static_weight_moves_the_surroundings_with_the_bones() -> None:
    """A bone length above the points, where hair would be, the body's motion remains."""
    shift, above = np.array([0.0, 30.0], np.float32), np.array([64.0, 22.0], np.float32)
    offsets = [
        value_at(align_bones(POINTS, POINTS + shift, IDENTITY, SIZE, BONES, static_weight=weight).positions, above)
        - above
        for weight in (0.01, 1e-6)
    ]
    assert offsets[0][1] < 20
    assert offsets[1][1] > 28


@pytest.mark.parametrize("base", [IDENTITY, ENLARGED])
def test_common_shift_of_bones_moves_the_points_and_not_the_border(base: NDArray[np.float64]) -> None:
    shift = np.array([6.0, -4.0], np.float32)
    positions = align_bones(POINTS, apply(base, POINTS) + shift, base, SIZE, BONES).positions
    offsets = positions - static_positions(base)
    for point in POINTS:
        assert np.allclose(value_at(offsets, point), shift, atol=0.6)
    assert np.abs(value_at(offsets, POINTS.mean(0)) - shift).max() < 0.6
    for row in (offsets[0], offsets[-1, :-1], offsets[:, 0], offsets[:-1, -2]):
        assert np.abs(row).max() < 1


def test_bones_with_a_missing_end_are_left_out() -> None:
    reference_points = POINTS + np.array([6, -4], np.float32)
    expected = align_bones(POINTS[:4], reference_points[:4], IDENTITY, SIZE, BONES[:2])
    for where in (0, 1):
        pair = [np.vstack([array[:4], [[500, 500]]]).astype(np.float32) for array in (POINTS, reference_points)]
        pair[where][4] = np.nan
        aligned = align_bones(pair[0], pair[1], IDENTITY, SIZE, (*BONES[:2], (0, 4)))
        assert np.array_equal(aligned.positions, expected.positions)


def test_without_complete_bones_nothing_moves() -> None:
    points = POINTS.copy()
    points[[1, 4]] = np.nan
    aligned = align_bones(points, POINTS + 9, IDENTITY, SIZE, BONES)
    assert np.array_equal(aligned.positions, static_positions(IDENTITY))
    assert not aligned.proximity.any()


@pytest.mark.parametrize("base", [IDENTITY, ENLARGED])
def test_rotated_limb_follows_its_ends(base: NDArray[np.float64]) -> None:
    moved = apply(base, BENT_ARM)
    positions = align_bones(ARM, moved, base, SIZE, ARM_BONES).positions
    scale = base[0, 0]
    assert np.abs(value_at(positions, ARM[0]) - moved[0]).max() < 2 * scale
    assert np.abs(value_at(positions, ARM[2]) - moved[2]).max() < 2 * scale
    middle = (ARM[1] + ARM[2]) / 2  # the other bone has a part in it
    assert np.abs(value_at(positions, middle) - (moved[1] + moved[2]) / 2).max() < 4 * scale
    far = np.array((120, 4), np.float32)
    assert np.abs(value_at(positions, far) - apply(base, far)).max() < 0.5


def test_foreshortened_bone_is_not_stretched_without_limit() -> None:
    points = np.array([(40, 48), (42, 48), (90, 48)], np.float32)
    moved = np.array([(40, 48), (72, 48), (90, 48)], np.float32)
    positions = align_bones(points, moved, IDENTITY, SIZE, ((0, 1),)).positions
    assert np.abs(np.diff(positions, axis=1)).max() < 4 * GRID_STEP


@pytest.mark.parametrize("base", [IDENTITY, ENLARGED])
def test_limb_at_its_old_place_is_not_visible(base: NDArray[np.float64]) -> None:
    """The reference's forearm is below the elbow, where the output has none; its own place on the right is visible."""
    log_visibility = align_bones(ARM, apply(base, BENT_ARM), base, SIZE, ARM_BONES).log_visibility[..., None]
    assert value_at(log_visibility, np.array((62, 84), np.float32)) < -3
    for visible in ((86, 48), (40, 48), (16, 16), (120, 88)):
        assert value_at(log_visibility, np.array(visible, np.float32)) > -0.1


def test_mismatch_is_that_of_the_limb_nearby() -> None:
    mismatch = align_bones(ARM, BENT_ARM, IDENTITY, SIZE, ARM_BONES).mismatch[..., None]
    forearm, upper_arm, far = (value_at(mismatch, np.array(p, np.float32)) for p in ((94, 48), (34, 48), (120, 4)))
    assert forearm == pytest.approx(np.sqrt(2), abs=0.1)  # |i - 1| for a right angle
    assert upper_arm < 0.15
    assert far < 0.1


def test_bone_proximity_extends_the_ends_of_limbs() -> None:
    """The wrist by 0.4 forearms, where the fingers are, and not the elbow."""
    positions = np.array([[62, 94, 94 + 0.4 * 32, 94 + 32, 62 + 32j]])
    proximity = bone_proximity(positions - 0j + 48j, ARM, ARM_BONES, 0.1)[0]
    assert np.allclose(proximity, [1, 1, 1, 0, 0], atol=0.01)
    missing = ARM.copy()
    missing[2] = np.nan
    assert bone_proximity(positions + 48j, missing, ARM_BONES, 0.1)[0, 1] < 0.01
    assert not bone_proximity(positions, np.full_like(ARM, np.nan), ARM_BONES, 0.1).any()


def test_bone_costs_are_those_of_turned_and_shifted_bones() -> None:
    costs = bone_costs(ARM, np.stack([ARM, ARM + np.float32(10), BENT_ARM]), ARM_BONES)
    assert costs[0].tolist() == [0, 0]
    assert costs[1] == pytest.approx([0.3 * np.hypot(10, 10)] * 2, rel=1e-5)
    assert costs[2] == pytest.approx([0, np.hypot(32, 32) + 0.3 * np.hypot(16, 16)], rel=1e-5)
