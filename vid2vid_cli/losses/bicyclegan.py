"""Losses of latents (BicycleGAN, Zhu et al., NIPS 2017, section 3)."""

from __future__ import annotations

from torch import Tensor


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of N(mean, variance) from N(0, I), (b, z) twice -> scalar, the sum over batch and dimensions.

    -1/2 sum(1 + log(variance) - mean^2 - variance); Kingma and Welling, ICLR 2014, appendix B.
    """
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
