"""The KL divergence of latents, against values by hand and torch.distributions."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as reference_kl

from vid2vid_cli.losses.bicyclegan import kl_divergence


def test_kl_divergence_by_hand() -> None:
    assert float(kl_divergence(torch.zeros(2, 3), torch.zeros(2, 3))) == 0
    assert float(kl_divergence(torch.tensor([[1.0, -2.0]]), torch.zeros(1, 2))) == pytest.approx(2.5)
    # Variance e: -1/2 (1 + 1 - e) per dimension.
    assert float(kl_divergence(torch.zeros(2, 2), torch.ones(2, 2))) == pytest.approx(4 * 0.35914, abs=1e-4)


def test_kl_divergence_is_summed_over_batch_and_dimensions() -> None:
    mean, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    expected = reference_kl(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum()
    assert torch.allclose(kl_divergence(mean, log_variance), expected, atol=1e-4)
