"""Losses of unpaired translation, by hand."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.losses.adversarial import GAN_LOSSES
from vid2vid_cli.losses.unpaired import cycle_loss, identity_loss


def test_cycle_loss_by_hand() -> None:
    frames, reconstructed = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.5)
    assert float(cycle_loss(frames, reconstructed, "l1")) == pytest.approx(0.5)
    assert float(cycle_loss(frames, reconstructed, "mse")) == pytest.approx(0.25)


def test_losses_of_the_identity_are_zero() -> None:
    frames = torch.rand(2, 3, 4, 4)
    assert float(cycle_loss(frames, frames, "l1")) == float(cycle_loss(frames, frames, "mse")) == 0
    assert float(identity_loss(frames, frames)) == 0


def test_wgan_by_hand() -> None:
    generator, discriminator = GAN_LOSSES["wgan"]
    real, fake = [torch.tensor([2.0, 0.0])], [torch.tensor([-1.0, 4.0])]
    assert float(generator(fake)) == pytest.approx(-1.5)
    assert float(discriminator(real, fake)) == pytest.approx(1.5 - 1.0)
