"""Losses between frames, flows and masks."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_l1(value: Tensor, target: Tensor | float, mask: Tensor) -> Tensor:
    """Mean absolute difference over the pixels where `mask` is 1, (b, c, h, w), same, (b, 1, h, w) -> scalar.

    Divided by the area of the mask, so that a small trusted area weighs as much as a large one; 0 for an empty mask.
    """
    difference = (value - target).abs() * mask
    area = mask.sum() * value.shape[1]
    return difference.sum() / area.clamp(min=1.0)


def total(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """The weighted sum of named terms. Raises KeyError where a term has no weight: a missing name is a bug."""
    missing = set(terms) - set(weights)
    if missing:
        raise KeyError(f"terms without a weight: {sorted(missing)}")
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()
