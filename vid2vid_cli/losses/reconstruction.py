"""Losses between frames, flows and masks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def masked_l1(value: Tensor, target: Tensor | float, mask: Tensor) -> Tensor:
    """Mean absolute difference over the pixels where `mask` is 1, (b, c, h, w), same, (b, 1, h, w) -> scalar.

    The sum is divided by the area of the mask, so the loss does not depend on that area; 0 for an empty mask.
    """
    difference = (value - target).abs() * mask
    area = mask.sum() * value.shape[1]
    return difference.sum() / area.clamp(min=1.0)


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of named loss terms. Raises KeyError if a term has no weight."""
    missing_names = set(terms) - set(weights)
    if missing_names:
        raise KeyError(f"terms without a weight: {sorted(missing_names)}")
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()
