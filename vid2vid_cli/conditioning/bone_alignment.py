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

    @property
    def bone_distance(self) -> FloatArray:
        """(gh, gw) distance to the bones of the output in median bone lengths, at most 1.9."""
        distance: FloatArray = LIMB_WIDTH * np.sqrt(-2 * np.log(np.maximum(self.proximity, np.float32(1e-37))))
        return distance


def align_bones(
    points: FloatArray,
    reference_points: FloatArray,
    base: AffineMatrix,
    size: tuple[int, int],
    bones: Bones,
    *,
    static_weight: float = STATIC_WEIGHT,
) -> BoneAlignment:
    """Align by bones, pairs of rows of the points; those with a NaN end in either frame are left out.

    `points`, `reference_points`: (n, 2) in pixels of the output and of the reference. `base`: (2, 3), output pixels to
    reference pixels of what does not move with the subject. `size`: (height, width) of the output. Each bone moves its
    surroundings rigidly, with a scale along it; across, by the square root of that. `static_weight`: weight of what
    does not move at every pixel, where a bone's weight is 1 on the bone.
    """
    nodes = grid_nodes(*size)
    z, static = _as_complex(nodes), _as_complex(nodes @ base[:, :2].T + base[:, 2])
    scale = float(np.sqrt(abs(np.linalg.det(base[:, :2]))))
    frame_ends, reference_ends = _bone_ends(points, bones), _bone_ends(reference_points, bones)
    is_known = np.isfinite(sum((*frame_ends, *reference_ends)))
    frame_key = np.asarray(points, np.float32).tobytes(), tuple(bones), size
    positions, mismatch = static, np.zeros(z.shape, np.float32)
    if is_known.any():
        start, end, reference_start, reference_end = (array[is_known] for array in (*frame_ends, *reference_ends))
        weights = _bone_weights(*frame_key, is_known.tobytes())
        motions, turns = _bone_motions((start, end), (reference_start, reference_end), scale)
        coefficients = np.concatenate([motions.real, motions.imag, turns[None], np.ones_like(turns)[None]])
        # A product of matrices: sums over the bones of each coefficient times the bone's weight at each node.
        real, imaginary, (turn_sum, weight_sum) = np.split(np.tensordot(coefficients, weights, 1), [3, 6])
        linear, conjugate, constant = real + 1j * imaginary
        weight_sum += static_weight
        positions = (linear * z + conjugate * z.conj() + constant + static_weight * static) / weight_sum
        mismatch = turn_sum / weight_sum
    reference_proximity = bone_proximity(positions, reference_points, bones, LIMB_WIDTH)
    proximity = _frame_proximity(*frame_key)
    hidden = np.maximum(reference_proximity, np.clip(_stretch(positions) / scale - MAX_STRETCH + 1, 0, 2) / 2)
    logits = VISIBILITY_SLOPE * (proximity - hidden + VISIBILITY_OFFSET)
    return BoneAlignment(
        np.stack([positions.real, positions.imag], axis=-1).astype(np.float32),
        mismatch.astype(np.float32),
        -np.logaddexp(0, -logits).astype(np.float32),
        proximity.astype(np.float32),
    )


def _bone_motions(
    ends: tuple[ComplexArray, ComplexArray], reference_ends: tuple[ComplexArray, ComplexArray], scale: float
) -> tuple[ComplexArray, FloatArray]:
    """The motion of each bone, (3, bones): a, b, c of a z + b conj(z) + c, and its turn and stretch (bones,).

    Along the bone positions are scaled by r, the ratio of its lengths, across by s, the square root of r. With the
    direction d of the bone this is (r + s) / 2 z + (r - s) / 2 d^2 conj(z), then turned and moved to the reference.
    """
    (start, end), (reference_start, reference_end) = ends, reference_ends
    (direction, length), (reference_direction, reference_length) = (
        _directions(vector) for vector in (end - start, reference_end - reference_start)
    )
    ratio = reference_length / np.maximum(length * scale, 1e-6)
    along = np.clip(ratio, 1 / MAX_BONE_SCALE, MAX_BONE_SCALE)
    across = np.sqrt(along)
    linear = reference_direction * scale * (along + across) / 2 * direction.conj()
    conjugate = reference_direction * scale * (along - across) / 2 * direction
    centre, reference_centre = (start + end) / 2, (reference_start + reference_end) / 2
    constant = reference_centre - linear * centre - conjugate * centre.conj()
    turn = np.abs(reference_direction / direction - 1) + np.abs(np.log(ratio + 1e-3))
    return np.stack([linear, conjugate, constant]), turn.astype(np.float32)


@lru_cache(maxsize=4)
def _bone_weights(
    point_bytes: bytes, bones: tuple[tuple[int, int], ...], size: tuple[int, int], known_bytes: bytes
) -> FloatArray:
    """Weights (known bones, gh, gw) of the bones at the nodes. References that have the same bones share them."""
    points = np.frombuffer(point_bytes, np.float32).reshape(-1, 2)
    is_known = np.frombuffer(known_bytes, bool)
    starts, ends = (array[is_known] for array in _bone_ends(points, bones))
    squared = _squared_distances(_as_complex(grid_nodes(*size)), starts, ends)
    weights: FloatArray = np.exp(squared * np.float32(-0.5 / (BONE_WIDTH * _bone_unit(starts, ends)) ** 2))
    return weights


@lru_cache(maxsize=4)
def _frame_proximity(point_bytes: bytes, bones: tuple[tuple[int, int], ...], size: tuple[int, int]) -> FloatArray:
    """`bone_proximity` of the nodes, which all references of a frame share."""
    points = np.frombuffer(point_bytes, np.float32).reshape(-1, 2)
    return bone_proximity(_as_complex(grid_nodes(*size)), points, bones, LIMB_WIDTH)


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
    nearest = _squared_distances(positions, *segments).min(axis=0)
    proximity: FloatArray = np.exp(nearest * np.float32(-0.5 / radius**2))
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


def _squared_distances(positions: ComplexArray, starts: ComplexArray, ends: ComplexArray) -> FloatArray:
    """(bones, rows, columns) squared distances of positions (rows, columns) from line segments (bones,)."""
    directions, lengths = _directions(ends - starts)
    # Coordinates along and across each segment, from its start: a rotation, as a product of matrices.
    turns = directions.conj()
    offsets = -turns * starts
    along_rows = np.stack([turns.real, -turns.imag, offsets.real], axis=1)
    across_rows = np.stack([turns.imag, turns.real, offsets.imag], axis=1)
    coordinates = np.stack([positions.real, positions.imag, np.ones(positions.shape, np.float32)])
    along, across = np.tensordot(np.stack([along_rows, across_rows]), coordinates, 1)
    along -= np.clip(along, 0, lengths[:, None, None])
    distances: FloatArray = np.square(along, out=along)
    distances += np.square(across, out=across)
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
