"""Encoders of SAVP's latents: matching costs, and latents that differ from the first step."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.networks.latent_encoder import MotionEncoder, matching_costs


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (2, -1), (-1, 1)])
def test_matching_costs_are_zero_at_the_displacement(dy: int, dx: int) -> None:
    first = torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    costs = matching_costs(first, first.roll((dy, dx), (2, 3)), 2)
    assert costs.shape == (2, 25, 12, 10)
    inner = costs[:, :, 4:-4, 4:-4]
    assert bool((inner.argmin(1) == (dy + 2) * 5 + dx + 2).all())
    assert float(inner.min(1).values.max()) < 1e-6


def test_motion_encoder_gives_latents_with_unit_variance_and_little_noise() -> None:
    """Published layers begin with means close to 0 and noise of deviation 1."""
    torch.manual_seed(0)
    mean, log_variance = MotionEncoder(4)(torch.rand(64, 6, 16, 16))
    assert mean.shape == log_variance.shape == (64, 4)
    assert torch.allclose(mean.mean(0), torch.zeros(4), atol=1e-4)
    assert torch.allclose(mean.std(0), torch.ones(4), atol=0.05)
    assert float(torch.exp(0.5 * log_variance.detach()).max()) < 0.3


def test_motion_encoder_encodes_a_single_pair_by_running_statistics() -> None:
    torch.manual_seed(0)
    encoder, pairs = MotionEncoder(4), torch.rand(32, 6, 16, 16)
    for _ in range(60):
        encoder(pairs)
    single, _ = encoder(pairs[:1])
    expected, _ = encoder.eval()(pairs)
    assert torch.allclose(single, expected[:1], atol=1e-4)
