"""SAVP's losses by hand."""

from __future__ import annotations

import math

import pytest
import torch

from vid2vid_cli.losses.savp import cosine_feature_distance, video_kl_loss


def test_video_kl_loss_by_hand() -> None:
    """Sum over z, mean over frames: (4 + 1 - 1 - 0) / 2 and, for the variance e, (e - 1 - 1) / 2."""
    mean = torch.tensor([[[2.0, 0.0], [0.0, 0.0]]])
    log_variance = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    assert float(video_kl_loss(mean, log_variance)) == pytest.approx((2 + (math.e - 2) / 2) / 2)
    assert float(video_kl_loss(torch.zeros(3, 2, 4), torch.zeros(3, 2, 4))) == 0


def test_cosine_feature_distance_by_hand() -> None:
    """The angle over channels, the mean over positions, the sum over layers; not dependent on the length."""
    real = [torch.tensor([[1.0, 0.0]]).view(1, 2, 1, 1, 1), torch.ones(1, 3, 1, 1, 2)]
    fake = [torch.tensor([[0.0, 5.0]]).view(1, 2, 1, 1, 1), 2 * torch.ones(1, 3, 1, 1, 2)]
    assert float(cosine_feature_distance(real, fake)) == pytest.approx(1.0)
    assert float(cosine_feature_distance(real, [-layer for layer in real])) == pytest.approx(4.0)


def test_cosine_feature_distance_has_no_gradient_into_real_features() -> None:
    real, fake = (torch.randn(1, 2, 1, 1, 1, requires_grad=True) for _ in range(2))
    cosine_feature_distance([real], [fake]).backward()
    assert real.grad is None
    assert fake.grad is not None
