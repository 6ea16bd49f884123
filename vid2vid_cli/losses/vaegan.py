"""Losses of VAE-GAN (Larsen et al., ICML 2016, section 3)."""

from __future__ import annotations

from torch import Tensor

from vid2vid_cli.losses.bicyclegan import kl_divergence


def learned_similarity_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-log N(real features; fake features, I) without its constant, per value: (n, c, h, w) twice -> scalar.

    The mean over all values of (real - fake)^2 / 2; no gradient flows into `real`.
    """
    return 0.5 * (real.detach() - fake).square().mean()


def prior_loss(mean: Tensor, log_variance: Tensor, num_values: int) -> Tensor:
    """KL divergence of the codes from N(0, I), (n, z) twice, per code and divided by `num_values` -> scalar.

    `num_values`: values of the features of one frame. With a weight of 1, it has its share in the published sum of
    the negative log-likelihood of all features and the divergence.
    """
    return kl_divergence(mean, log_variance) / (len(mean) * num_values)
