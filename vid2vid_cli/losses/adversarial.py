"""Adversarial losses on score maps, and feature matching. Sums over scales, as vid2vid's weights expect."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Scores = Sequence[Tensor]
"""One score map per scale."""


def _sum(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()


def least_squares_generator(fake: Scores) -> Tensor:
    """Sum over scales of E[(D(fake) - 1)^2] (Mao et al., ICCV 2017)."""
    return _sum([(score - 1).square().mean() for score in fake])


def least_squares_discriminator(real: Scores, fake: Scores) -> Tensor:
    """Half the sum over scales of E[(D(real) - 1)^2] + E[D(fake)^2]."""
    return 0.5 * _sum([(r - 1).square().mean() + f.square().mean() for r, f in zip(real, fake, strict=True)])


def hinge_generator(fake: Scores) -> Tensor:
    """Sum over scales of -E[D(fake)]."""
    return _sum([-score.mean() for score in fake])


def hinge_discriminator(real: Scores, fake: Scores) -> Tensor:
    """Half the sum over scales of E[max(0, 1 - D(real))] + E[max(0, 1 + D(fake))]."""
    return 0.5 * _sum([F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)])


def cross_entropy_generator(fake: Scores) -> Tensor:
    """Sum over scales of E[-log s(D(fake))], s the sigmoid (Goodfellow et al., NIPS 2014, as pix2pix minimises it)."""
    return _sum([F.softplus(-score).mean() for score in fake])


def cross_entropy_discriminator(real: Scores, fake: Scores) -> Tensor:
    """Half the sum over scales of E[-log s(D(real))] + E[-log(1 - s(D(fake)))]."""
    return 0.5 * _sum([F.softplus(-r).mean() + F.softplus(f).mean() for r, f in zip(real, fake, strict=True)])


GAN_LOSSES: dict[str, tuple[Callable[[Scores], Tensor], Callable[[Scores, Scores], Tensor]]] = {
    "least_squares": (least_squares_generator, least_squares_discriminator),
    "hinge": (hinge_generator, hinge_discriminator),
    "cross_entropy": (cross_entropy_generator, cross_entropy_discriminator),
}
"""Name -> (generator's loss, discriminator's loss)."""


def feature_matching(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean over scales of the sum over inner layers of L1, each layer weighted 4 / layers (pix2pixHD eq. 4).

    `real` and `fake` are judgements; the score map, last in each, does not count. No gradient flows into `real`.
    """
    per_scale = []
    for r, f in zip(real, fake, strict=True):
        layers = [F.l1_loss(b, a.detach()) for a, b in zip(r[:-1], f[:-1], strict=True)]
        per_scale.append(_sum(layers) * (4.0 / len(layers)))
    return _sum(per_scale) / len(per_scale)
