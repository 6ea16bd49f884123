"""Losses of translation between two domains without pairs (CycleGAN, Zhu et al., ICCV 2017; DiscoGAN, ICML 2017)."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor


def cycle_loss(frames: Tensor, reconstructed: Tensor, distance: Literal["l1", "mse"]) -> Tensor:
    """Distance between frames (n, 3, h, w) and their translation to the other domain and back."""
    return F.l1_loss(reconstructed, frames) if distance == "l1" else F.mse_loss(reconstructed, frames)


def identity_loss(frames: Tensor, translated: Tensor) -> Tensor:
    """L1 between frames (n, 3, h, w) of the output domain and their translation, which keeps colours."""
    return F.l1_loss(translated, frames)
