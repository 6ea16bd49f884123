"""Adversarial losses and feature matching, computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from vid2vid_cli.losses.adversarial import GAN_LOSSES, feature_matching_loss

REAL = [torch.tensor([[2.0, 0.0]]), torch.tensor([0.5])]
FAKE = [torch.tensor([[-2.0, 0.0]]), torch.tensor([3.0])]


def test_lsgan_by_hand() -> None:
    generator, discriminator = GAN_LOSSES["lsgan"]
    # Generator: (9 + 1) / 2 + 4. Discriminator: half of (1 + 1) / 2 + (4 + 0) / 2 + 0.25 + 9.
    assert float(generator(FAKE)) == pytest.approx(9.0)
    assert float(discriminator(REAL, FAKE)) == pytest.approx(0.5 * (1 + 2 + 0.25 + 9))


def test_hinge_by_hand() -> None:
    generator, discriminator = GAN_LOSSES["hinge"]
    assert float(generator(FAKE)) == pytest.approx(1.0 - 3.0)
    # max(0, 1 - [2, 0]) = [0, 1]; max(0, 1 + [-2, 0]) = [0, 1]; then 0.5 and 4.
    assert float(discriminator(REAL, FAKE)) == pytest.approx(0.5 * (0.5 + 0.5 + 0.5 + 4))
    assert float(discriminator(REAL[:1], FAKE[:1])) == pytest.approx(0.5)


def test_vanilla_by_hand() -> None:
    """The sigmoid of 0 is 1/2, that of log 3 is 3/4."""
    generator, discriminator = GAN_LOSSES["vanilla"]
    log_three = torch.tensor([3.0]).log()
    assert float(generator([torch.zeros(2), log_three])) == pytest.approx(math.log(2) + math.log(4 / 3))
    assert float(discriminator([log_three], [torch.zeros(1)])) == pytest.approx(0.5 * (math.log(4 / 3) + math.log(2)))
    assert float(discriminator([torch.zeros(1)], [log_three])) == pytest.approx(0.5 * (math.log(2) + math.log(4)))
    assert float(generator([torch.tensor([-500.0])])) == pytest.approx(500)


@pytest.mark.parametrize("gan_mode", GAN_LOSSES)
def test_gradients_of_generator_and_discriminator_are_opposite(gan_mode: str) -> None:
    """The generator increases the logits of fakes; the discriminator decreases them and increases those of real."""
    generator, discriminator = GAN_LOSSES[gan_mode]
    real, fake = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    generator([fake]).backward()
    assert (fake.grad < 0).all()
    fake.grad = None
    discriminator([real], [fake]).backward()
    assert (fake.grad >= 0).all()
    assert (real.grad < 0).all()
    if gan_mode == "hinge":
        assert (fake.grad > 0).all()


@pytest.mark.parametrize("gan_mode", GAN_LOSSES)
def test_different_numbers_of_scales_are_rejected(gan_mode: str) -> None:
    with pytest.raises(ValueError, match="zip"):
        GAN_LOSSES[gan_mode][1](REAL, FAKE[:1])


def test_feature_matching_by_hand() -> None:
    """Two scales with two layers of weight 4 / 2; the logits, last, are ignored."""
    real = [[torch.zeros(2), torch.zeros(4), torch.zeros(1)], [torch.zeros(1), torch.zeros(1), torch.zeros(1)]]
    fake = [
        [torch.tensor([1.0, 3.0]), torch.full((4,), 0.5), torch.full((1,), 100.0)],
        [torch.tensor([1.0]), torch.tensor([-2.0]), torch.full((1,), 100.0)],
    ]
    assert float(feature_matching_loss(real, fake)) == pytest.approx((2 * (2 + 0.5) + 2 * (1 + 2)) / 2)


def test_feature_matching_of_four_layers_has_weight_one() -> None:
    real, fake = [[torch.zeros(1)] * 5], [[torch.ones(1)] * 5]
    assert float(feature_matching_loss(real, fake)) == pytest.approx(4.0)


def test_feature_matching_has_no_gradient_for_real() -> None:
    real, fake = torch.ones(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    feature_matching_loss([[real, real]], [[fake, fake]]).backward()
    assert real.grad is None
    assert fake.grad is not None
