"""Adversarial losses and feature matching against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from vid2vid_cli.losses.adversarial import GAN_LOSSES, feature_matching

REAL = [torch.tensor([[2.0, 0.0]]), torch.tensor([0.5])]
FAKE = [torch.tensor([[-2.0, 0.0]]), torch.tensor([3.0])]


def test_least_squares_by_hand() -> None:
    generator, discriminator = GAN_LOSSES["least_squares"]
    # (9 + 1) / 2 + 4; and half of (1 + 1) / 2 + (4 + 0) / 2 + 0.25 + 9.
    assert float(generator(FAKE)) == pytest.approx(9.0)
    assert float(discriminator(REAL, FAKE)) == pytest.approx(0.5 * (1 + 2 + 0.25 + 9))


def test_hinge_by_hand() -> None:
    generator, discriminator = GAN_LOSSES["hinge"]
    assert float(generator(FAKE)) == pytest.approx(1.0 - 3.0)
    # max(0, 1 - [2, 0]) = [0, 1]; max(0, 1 + [-2, 0]) = [0, 1]; then 0.5 and 4.
    assert float(discriminator(REAL, FAKE)) == pytest.approx(0.5 * (0.5 + 0.5 + 0.5 + 4))
    assert float(discriminator(REAL[:1], FAKE[:1])) == pytest.approx(0.5)


def test_cross_entropy_by_hand() -> None:
    """Of logits: s(0) = 1/2 costs log 2 whichever it should be; s(log 3) = 3/4."""
    generator, discriminator = GAN_LOSSES["cross_entropy"]
    three = torch.tensor([3.0]).log()
    assert float(generator([torch.zeros(2), three])) == pytest.approx(math.log(2) + math.log(4 / 3))
    assert float(discriminator([three], [torch.zeros(1)])) == pytest.approx(0.5 * (math.log(4 / 3) + math.log(2)))
    assert float(discriminator([torch.zeros(1)], [three])) == pytest.approx(0.5 * (math.log(2) + math.log(4)))
    assert float(generator([torch.tensor([-500.0])])) == pytest.approx(500)


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_the_directions_are_opposite(name: str) -> None:
    """The generator wants its score up; the discriminator wants real up and fake down."""
    generator, discriminator = GAN_LOSSES[name]
    real, fake = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    generator([fake]).backward()
    assert (fake.grad < 0).all()
    fake.grad = None
    discriminator([real], [fake]).backward()
    assert (fake.grad >= 0).all()
    assert (real.grad < 0).all()
    if name == "hinge":
        assert (fake.grad > 0).all()


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_scales_must_pair_up(name: str) -> None:
    with pytest.raises(ValueError, match="zip"):
        GAN_LOSSES[name][1](REAL, FAKE[:1])


def test_feature_matching_by_hand() -> None:
    """Two scales; two inner layers each, weighted 4 / 2; the score map, last, is left out."""
    real = [[torch.zeros(2), torch.zeros(4), torch.zeros(1)], [torch.zeros(1), torch.zeros(1), torch.zeros(1)]]
    fake = [
        [torch.tensor([1.0, 3.0]), torch.full((4,), 0.5), torch.full((1,), 100.0)],
        [torch.tensor([1.0]), torch.tensor([-2.0]), torch.full((1,), 100.0)],
    ]
    assert float(feature_matching(real, fake)) == pytest.approx((2 * (2 + 0.5) + 2 * (1 + 2)) / 2)


def test_four_inner_layers_weigh_one_each() -> None:
    real, fake = [[torch.zeros(1)] * 5], [[torch.ones(1)] * 5]
    assert float(feature_matching(real, fake)) == pytest.approx(4.0)


def test_no_gradient_into_the_real_features() -> None:
    real, fake = torch.ones(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    feature_matching([[real, real]], [[fake, fake]]).backward()
    assert real.grad is None
    assert fake.grad is not None
