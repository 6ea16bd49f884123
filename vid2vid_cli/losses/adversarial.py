"""Adversarial losses on patch logits, and feature matching. Losses are summed over scales, as in vid2vid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Logits = Sequence[Tensor]
"""Patch logits (b, 1, h', w') of each scale."""


def _sum_terms(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()


def lsgan_generator(fake: Logits) -> Tensor:
    """Sum over scales of E[(D(fake) - 1)^2] (Mao et al., ICCV 2017)."""
    return _sum_terms([(f - 1).square().mean() for f in fake])


def lsgan_discriminator(real: Logits, fake: Logits) -> Tensor:
    """Half the sum over scales of E[(D(real) - 1)^2] + E[D(fake)^2]."""
    return 0.5 * _sum_terms([(r - 1).square().mean() + f.square().mean() for r, f in zip(real, fake, strict=True)])


def hinge_generator(fake: Logits) -> Tensor:
    """Sum over scales of -E[D(fake)]."""
    return _sum_terms([-f.mean() for f in fake])


def hinge_discriminator(real: Logits, fake: Logits) -> Tensor:
    """Half the sum over scales of E[max(0, 1 - D(real))] + E[max(0, 1 + D(fake))]."""
    return 0.5 * _sum_terms([F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)])


def vanilla_generator(fake: Logits) -> Tensor:
    """Sum over scales of E[-log s(D(fake))], s the sigmoid (Goodfellow et al., NIPS 2014, as pix2pix minimises it)."""
    return _sum_terms([F.softplus(-f).mean() for f in fake])


def vanilla_discriminator(real: Logits, fake: Logits) -> Tensor:
    """Half the sum over scales of E[-log s(D(real))] + E[-log(1 - s(D(fake)))]."""
    return 0.5 * _sum_terms([F.softplus(-r).mean() + F.softplus(f).mean() for r, f in zip(real, fake, strict=True)])


def wgan_generator(fake: Logits) -> Tensor:
    """Sum over scales of -E[D(fake)] (Arjovsky et al., ICML 2017)."""
    return hinge_generator(fake)


def wgan_discriminator(real: Logits, fake: Logits) -> Tensor:
    """Sum over scales of E[D(fake)] - E[D(real)]; D's weights must be clipped after each update."""
    return _sum_terms([f.mean() - r.mean() for r, f in zip(real, fake, strict=True)])


GAN_LOSSES: dict[str, tuple[Callable[[Logits], Tensor], Callable[[Logits, Logits], Tensor]]] = {
    "lsgan": (lsgan_generator, lsgan_discriminator),
    "hinge": (hinge_generator, hinge_discriminator),
    "vanilla": (vanilla_generator, vanilla_discriminator),
    "wgan": (wgan_generator, wgan_discriminator),
}
"""GAN mode -> (generator loss, discriminator loss)."""


def feature_matching_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean over scales of the sum over inner layers of L1, each layer weighted 4 / layers (pix2pixHD eq. 4).

    `real` and `fake` are the discriminator outputs of each scale; the last entry, the logits, is ignored. No gradient
    flows into `real`.
    """
    scale_losses = []
    for r, f in zip(real, fake, strict=True):
        layer_losses = [F.l1_loss(b, a.detach()) for a, b in zip(r[:-1], f[:-1], strict=True)]
        scale_losses.append(_sum_terms(layer_losses) * (4.0 / len(layer_losses)))
    return _sum_terms(scale_losses) / len(scale_losses)
