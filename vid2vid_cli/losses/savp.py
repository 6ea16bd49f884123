"""Losses of stochastic video prediction (Lee et al., 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def video_kl_loss(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of N(mean, exp(log_variance)) from N(0, I), (b, t, z) twice -> scalar.

    The sum over z of (mean^2 + variance - 1 - log_variance) / 2, and the mean over clips and frames.
    """
    terms = mean.square() + log_variance.exp() - 1 - log_variance
    return 0.5 * terms.sum(-1).mean()


def cosine_feature_distance(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Sum over layers of the mean of 1 - cos(real, fake), the angle over channels, (b, c, ...) per layer -> scalar.

    No gradient flows into `real`.
    """
    distances = [
        1 - F.cosine_similarity(a.detach().float(), b.float(), 1).mean() for a, b in zip(real, fake, strict=True)
    ]
    return torch.stack(distances).sum()
