"""The choice of reference frames for a frame, and their prior weights at each pixel.

References of a body complement each other: one may have the pose of an arm, another that of the legs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import FloatArray

SWITCH_RATIO = 0.9
"""A reference is replaced by one whose distance is smaller than its own by this factor."""
MEAN_SHARE = 1e-3
"""Weight of the mean difference of the references beside the smallest one of each part."""
MISMATCH_SCALE = 60.0
"""Factor on the mismatch of bones: of two references, the one whose limb is turned less has nearly all the weight."""
STATIC_PENALTY = 3.0
"""Subtracted on the limbs from the log weight of a reference without alignment, in training."""
SYNTHESIS_STATIC_PENALTY = 9.0
"""In synthesis, where limbs are translucent otherwise. In training, the network would compensate it."""
MIN_LOG_WEIGHT = -30.0
"""In place of the logarithm of 0, which cannot be interpolated."""


@dataclass(frozen=True)
class AlignedReference:
    """A reference frame aligned with a frame, at the nodes of `alignment.grid_nodes`."""

    positions: FloatArray
    """(2, gh, gw) sampling positions in [-1, 1]."""
    mismatch: FloatArray
    log_visibility: FloatArray
    proximity: FloatArray
    """(gh, gw), see `BoneAlignment`; 0 without bones."""
    background_share: float = 1.0
    """Opacity of the background in place of the subject where it is in the reference, see `background_share`."""


def choose_references(differences: FloatArray, count: int) -> list[int]:
    """Indices of `count` references that complement each other, for their differences (k, p) in p parts from a frame.

    One after another, so that the smallest difference of each part becomes small; for one part, the nearest ones.
    """
    squares = differences.astype(np.float64) ** 2
    chosen: list[int] = []
    smallest = np.full(squares.shape[1], np.inf)
    while len(chosen) < min(count, len(squares)):
        costs = np.minimum(smallest, squares).mean(axis=1) + MEAN_SHARE * squares.mean(axis=1)
        costs[chosen] = np.inf
        chosen.append(int(costs.argmin()))
        smallest = np.minimum(smallest, squares[chosen[-1]])
    return chosen


def find_replacement(differences: FloatArray, current: Sequence[int]) -> tuple[int, int] | None:
    """One of the `current` references and a much better one in its place; None if there is none."""
    others = [index for index in range(len(differences)) if index not in current]
    if not others:
        return None
    if differences.shape[1] == 1:
        nearest = min(others, key=lambda index: float(differences[index, 0]))
        farthest = max(current, key=lambda index: float(differences[index, 0]))
        is_much_nearer = differences[nearest, 0] < SWITCH_RATIO * differences[farthest, 0]
        return (farthest, nearest) if is_much_nearer else None
    squares = differences.astype(np.float64) ** 2
    means = squares.mean(axis=1)
    current_cost = squares[list(current)].min(axis=0).mean() + MEAN_SHARE * means[list(current)].sum()
    best_cost, replacement = SWITCH_RATIO**2 * current_cost, None
    for old in current:
        kept = [index for index in current if index != old]
        smallest = squares[kept].min(axis=0, initial=np.inf)
        costs = np.minimum(smallest, squares[others]).mean(axis=1) + MEAN_SHARE * (means[others] + means[kept].sum())
        if costs.min() < best_cost:
            best_cost, replacement = float(costs.min()), (old, others[int(costs.argmin())])
    return replacement


def prior_log_weights(
    aligned: Sequence[AlignedReference],
    weights: Sequence[float],
    num_per_frame: int,
    *,
    static_penalty: float = SYNTHESIS_STATIC_PENALTY,
) -> FloatArray:
    """(n, 2, gh, gw) log weights of n references, aligned and static, before the network's; of the synthesised image 0.

    `weights`: the shares of the references, with the sum 1. More than `num_per_frame`: the last one is faded out, the
    one before it in.
    """
    mismatch = np.stack([reference.mismatch for reference in aligned]).astype(np.float64)
    shares = np.array(weights)
    if len(weights) > num_per_frame:
        fading_share = shares[-1] / max(shares[-1] + shares[-2], 1e-9)
        without_new, without_old = np.ones((2, len(weights)), dtype=bool)
        without_new[-2], without_old[-1] = False, False
        aligned_shares = fading_share * _share_by_mismatch(mismatch, without_new)
        aligned_shares += (1 - fading_share) * _share_by_mismatch(mismatch, without_old)
    else:
        aligned_shares = _share_by_mismatch(mismatch, shares > 0)
    visibility = np.stack([reference.log_visibility for reference in aligned])
    proximity = np.stack([reference.proximity for reference in aligned])
    floor = np.exp(MIN_LOG_WEIGHT)
    aligned_weights = np.log(np.maximum(num_per_frame * aligned_shares, floor)) + visibility
    static_weights = np.log(np.maximum(num_per_frame * shares, floor))[:, None, None] - static_penalty * proximity
    stacked = np.stack([aligned_weights, static_weights], axis=1)
    log_weights: FloatArray = np.maximum(stacked, MIN_LOG_WEIGHT).astype(np.float32)
    return log_weights


def _share_by_mismatch(mismatch: NDArray[np.float64], is_used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Softmax of the negative mismatch (n, gh, gw) over the used references."""
    logits = np.where(is_used[:, None, None], -MISMATCH_SCALE * mismatch, -np.inf)
    exponentials = np.exp(logits - logits.max(axis=0))
    shares: NDArray[np.float64] = exponentials / exponentials.sum(axis=0)
    return shares
