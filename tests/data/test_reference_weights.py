"""The choice of references that complement each other, and their prior weights at each pixel."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.data.reference_weights import (
    MIN_LOG_WEIGHT,
    AlignedReference,
    choose_references,
    find_replacement,
    prior_log_weights,
)


def aligned(mismatch: float, visibility: float = 0.0, proximity: float = 0.0) -> AlignedReference:
    shape = 3, 4
    fields = (np.full(shape, value, np.float32) for value in (mismatch, visibility, proximity))
    return AlignedReference(np.zeros((2, *shape), np.float32), *fields)


def aligned_weights(mismatches: list[float], weights: list[float], num_per_frame: int = 2) -> list[float]:
    references = [aligned(mismatch) for mismatch in mismatches]
    log_weights = prior_log_weights(references, weights, num_per_frame)
    assert log_weights.shape == (len(weights), 2, 3, 4)
    return np.exp(log_weights[:, 0, 0, 0]).tolist()  # type: ignore[no-any-return]


def test_references_of_one_part_are_the_nearest() -> None:
    differences = np.array([[5], [1], [3], [2]], np.float32)
    assert choose_references(differences, 3) == [1, 3, 2]
    assert choose_references(differences, 9) == [1, 3, 2, 0]


def test_second_reference_complements_the_first() -> None:
    """The second nearest frame has the same wrong part as the nearest one; the third one has it right."""
    differences = np.array([(0, 3), (0.1, 3), (6, 0)], np.float32)
    assert choose_references(differences, 2) == [0, 2]


def test_replacement_is_much_better() -> None:
    differences = np.array([(0, 3), (0.1, 3), (6, 0)], np.float32)
    assert find_replacement(differences, [0, 1]) == (1, 2)
    assert find_replacement(differences, [0, 2]) is None
    assert find_replacement(differences, [0, 1, 2]) is None
    slightly_better = np.array([(1, 9), (9, 1), (9, 0.95)], np.float32)
    assert find_replacement(slightly_better, [0, 1]) is None
    assert find_replacement(differences, [1]) is None  # one reference: its mean counts


def test_weights_without_parts_are_the_shares() -> None:
    assert aligned_weights([0, 0], [0.5, 0.5]) == pytest.approx([1, 1])
    assert aligned_weights([0, 0, 0], [0.5, 0.3, 0.2]) == pytest.approx([1, 0.6, 0.4])
    assert aligned_weights([0], [1.0]) == pytest.approx([2])  # a bank of one frame


def test_reference_with_the_better_limb_has_nearly_all_the_weight() -> None:
    first, second = aligned_weights([0.1, 0.3], [0.5, 0.5])
    assert first == pytest.approx(2, abs=1e-3)
    assert second < 1e-3


def test_fade_is_linear_where_one_reference_is_better() -> None:
    """The last reference is faded out and the one before it in: the best one does not take over at once."""
    for fading_share in (0.5, 0.3, 0.1):
        weights = [0.5, 0.5 - fading_share, fading_share]
        new_is_best = aligned_weights([0.5, 0.0, 0.5], weights)
        assert new_is_best == pytest.approx([2 * fading_share, 2 * (1 - 2 * fading_share), 2 * fading_share], abs=1e-3)


def test_hidden_limbs_and_static_limbs_lose_weight() -> None:
    references = [aligned(0, visibility=-5.0), aligned(0, proximity=1.0)]
    for penalty in (3, 9):
        log_weights = prior_log_weights(references, [0.5, 0.5], 2, static_penalty=penalty)[..., 0, 0]
        assert log_weights == pytest.approx(np.array([(-5, 0), (0, -penalty)]), abs=1e-5)


def test_logarithm_of_zero_is_finite() -> None:
    log_weights = prior_log_weights([aligned(0), aligned(0, visibility=-1e9)], [1.0, 0.0], 2)
    assert log_weights.min() == MIN_LOG_WEIGHT
