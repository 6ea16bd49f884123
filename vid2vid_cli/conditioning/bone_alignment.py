"""Dense alignment of a reference frame of a body with another frame, bone by bone (linear blend skinning).

Where a limb of the reference was, and the limb of the output is not, no sampling position is right: such nodes are
marked, and the background is used there. Without that, limbs appear twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.alignment import AffineMatrix, grid_nodes
from vid2vid_cli.core.geometry import GRID_STEP, FloatArray

BONE_WIDTH = 0.3
"""Standard deviation of a bone's influence across it, in multiples of the median bone length."""
STATIC_WEIGHT = 0.01
"""Weight of the background at every pixel, where a bone's weight is 1 on the bone."""
MAX_BONE_SCALE = 2.0
"""Largest ratio of a bone's lengths in both frames that is followed; beyond it, one end is foreshortened."""
LIMB_WIDTH = 0.15
"""Standard deviation of the proximity that tells limbs from background, in multiples of the median bone length."""
END_EXTENSION = 0.4
"""Share of its length by which a bone that ends a limb is extended: fingers, toes and the top of the head."""
VISIBILITY_SLOPE, VISIBILITY_OFFSET = 20.0, 0.25
"""Logistic function of the proximity to the output's limbs minus that to the reference's."""
MAX_STRETCH = 3.0
"""Distance of the positions of adjacent nodes, relative to an unmoved image, at which a limb is torn apart."""

Bones = Sequence[tuple[int, int]]
ComplexArray = NDArray[np.complex64]


@dataclass(frozen=True)
class BoneAlignment:
    """For each node of `grid_nodes`."""

    positions: FloatArray
    """(gh, gw, 2) in pixels of the reference."""
    mismatch: FloatArray
    """(gh, gw) turn and stretch of the bones nearby between both frames: 0 for the same pose, 1 for a turn by 60
    degrees, and where there are no bones 0."""
    log_visibility: FloatArray
    """(gh, gw) 0 where the reference shows the node, below 0 where it shows another limb there."""
    proximity: FloatArray
    """(gh, gw) of the bones of the output, see `bone_proximity`, 1 on a bone."""


def align_bones(
    points: FloatArray, reference_points: FloatArray, base: AffineMatrix, size: tuple[int, int], bones: Bones
) -> BoneAlignment:
    """Align by bones, pairs of rows of the points; those with a NaN end in either frame are left out.

    `points`, `reference_points`: (n, 2) in pixels of the output and of the reference. `base`: (2, 3), output pixels to
    reference pixels of what does not move with the subject. `size`: (height, width) of the output. Each bone moves its
    surroundings rigidly, with a scale along it; across, by the square root of that.
    """
    nodes = grid_nodes(*size)
    z, static = _as_complex(nodes), _as_complex(nodes @ base[:, :2].T + base[:, 2])
    scale = float(np.sqrt(abs(np.linalg.det(base[:, :2]))))
    starts, ends = _bone_ends(points, bones)
    reference_starts, reference_ends = _bone_ends(reference_points, bones)
    is_known = np.isfinite(starts + ends + reference_starts + reference_ends)
    frame_distances, proximity = _frame_bones(np.asarray(points, np.float32).tobytes(), tuple(bones), size)
    positions, mismatch = static, np.zeros(z.shape)
    if is_known.any():
        start, end, reference_start, reference_end = (
            array[is_known, None, None] for array in (starts, ends, reference_starts, reference_ends)
        )
        (direction, length), (reference_direction, reference_length) = (
            _directions(vector) for vector in (end - start, reference_end - reference_start)
        )
        distances = frame_distances if is_known.all() else frame_distances[is_known]
        weights = np.exp(-0.5 * (distances / (BONE_WIDTH * _bone_unit(start, end))) ** 2)
        ratio = reference_length / np.maximum(length * scale, 1e-6)
        followed_ratio = np.clip(ratio, 1 / MAX_BONE_SCALE, MAX_BONE_SCALE)
        local = (z - (start + end) / 2) * np.conj(direction)
        scaled = local.real * followed_ratio + 1j * local.imag * np.sqrt(followed_ratio)
        moved = (reference_start + reference_end) / 2 + reference_direction * scale * scaled
        turn = np.abs(reference_direction / direction - 1) + np.abs(np.log(ratio + 1e-3))
        weight_sum = weights.sum(axis=0) + STATIC_WEIGHT
        positions = static + (weights * (moved - static)).sum(axis=0) / weight_sum
        mismatch = (weights * turn).sum(axis=0) / weight_sum
    reference_proximity = bone_proximity(positions, reference_points, bones, LIMB_WIDTH)
    hidden = np.maximum(reference_proximity, np.clip(_stretch(positions) / scale - MAX_STRETCH + 1, 0, 2) / 2)
    logits = VISIBILITY_SLOPE * (proximity - hidden + VISIBILITY_OFFSET)
    return BoneAlignment(
        np.stack([positions.real, positions.imag], axis=-1).astype(np.float32),
        mismatch.astype(np.float32),
        -np.logaddexp(0, -logits).astype(np.float32),
        proximity.astype(np.float32),
    )


@lru_cache(maxsize=4)
def _frame_bones(
    point_bytes: bytes, bones: tuple[tuple[int, int], ...], size: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Distances (bones, gh, gw) of the nodes from each bone, NaN if it is missing, and `bone_proximity`.

    All references of a frame share them.
    """
    points = np.frombuffer(point_bytes, np.float32).reshape(-1, 2)
    nodes = _as_complex(grid_nodes(*size))
    starts, ends = (array[:, None, None] for array in _bone_ends(points, bones))
    return _distances(nodes, starts, ends), bone_proximity(nodes, points, bones, LIMB_WIDTH)


def bone_proximity(positions: ComplexArray, points: FloatArray, bones: Bones, width: float) -> FloatArray:
    """exp(-(d / w)^2 / 2) at positions x + iy (rows, columns), of the distance d to the nearest bone; 0 without bones.

    `width`: w in multiples of the median bone length. Bones at the end of a limb are extended.
    """
    starts, ends = _bone_ends(points, bones)
    is_known = np.isfinite(starts + ends)
    known = np.array(bones, dtype=int).reshape(-1, 2)[is_known]
    starts, ends = starts[is_known], ends[is_known]
    if not len(known):
        return np.zeros(positions.shape, np.float32)
    radius = width * _bone_unit(starts, ends)
    joints, counts = np.unique(known, return_counts=True)
    is_end = (counts == 1)[np.searchsorted(joints, known)]  # (bones, 2)
    extensions = END_EXTENSION * (ends - starts)
    segments = starts - is_end[:, 0] * extensions, ends + is_end[:, 1] * extensions
    nearest = _distances(positions, *(array[:, None, None] for array in segments)).min(axis=0)
    proximity: FloatArray = np.exp(-0.5 * (nearest / radius) ** 2)
    return proximity


def bone_costs(points: FloatArray, reference_points: NDArray[np.floating], bones: Bones) -> FloatArray:
    """(k, b) how much each bone of a frame (n, 2) differs from k references (k, n, 2), in the unit of the points.

    The difference of the vectors, and 0.3 times the shift. NaN where a bone is missing in either frame.
    """
    starts, ends = _bone_ends(points, bones)
    pairs = np.array(bones, dtype=int).reshape(-1, 2)
    reference = _as_complex(reference_points)
    reference_starts, reference_ends = reference[:, pairs[:, 0]], reference[:, pairs[:, 1]]
    turns = np.abs((reference_ends - reference_starts) - (ends - starts))
    shifts = np.abs((reference_starts + reference_ends) - (starts + ends)) / 2
    return (turns + 0.3 * shifts).astype(np.float32)


def _as_complex(positions: NDArray[np.floating]) -> ComplexArray:
    result: ComplexArray = (positions[..., 0] + 1j * positions[..., 1]).astype(np.complex64)
    return result


def _bone_ends(points: FloatArray, bones: Bones) -> tuple[ComplexArray, ComplexArray]:
    pairs = np.array(bones, dtype=int).reshape(-1, 2)
    joints = _as_complex(points)
    return joints[pairs[:, 0]], joints[pairs[:, 1]]


def _bone_unit(starts: ComplexArray, ends: ComplexArray) -> float:
    return max(float(np.median(np.abs(ends - starts))), 1.0)


def _directions(vectors: ComplexArray) -> tuple[ComplexArray, FloatArray]:
    """Unit vectors and lengths; the direction of a bone of length 0 is that of the x axis."""
    lengths = np.abs(vectors)
    return np.where(lengths > 1e-6, vectors / np.maximum(lengths, 1e-6), 1), lengths


def _distances(positions: ComplexArray, starts: ComplexArray, ends: ComplexArray) -> FloatArray:
    """Distances of positions from line segments; the shapes are broadcast."""
    vectors = ends - starts
    offsets = positions - starts
    along = np.clip((offsets * np.conj(vectors)).real / np.maximum(np.abs(vectors) ** 2, 1e-6), 0, 1)
    from_line = offsets - along * vectors
    distances: FloatArray = np.sqrt(from_line.real**2 + from_line.imag**2)  # faster than the absolute value
    return distances


def _stretch(positions: ComplexArray) -> FloatArray:
    """(gh, gw) the largest distance from a node's position to its neighbours', in multiples of GRID_STEP."""
    along_x, along_y = (np.abs(np.diff(positions, axis=axis)) / GRID_STEP for axis in (1, 0))
    stretch: FloatArray = np.zeros(positions.shape, along_x.dtype)
    for part, distances in (
        (stretch[:, :-1], along_x),
        (stretch[:, 1:], along_x),
        (stretch[:-1], along_y),
        (stretch[1:], along_y),
    ):
        np.maximum(part, distances, out=part)
    return stretch
