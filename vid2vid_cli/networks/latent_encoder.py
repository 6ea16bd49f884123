"""Encoders of SAVP's latents: q(z_t | x_t, x_{t+1}), mean and logarithm of the variance of a normal distribution."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.networks.video_layers import init_weights, instance_norm

ENCODER_CHANNELS = 64
LOG_VARIANCE_LIMIT = 10.0
MAX_DISPLACEMENT = 3
"""Largest motion in the matching costs, in cells of two pixels."""
INITIAL_LOG_VARIANCE = -4.0
"""Of the motion encoder: its noise is small beside the means, whose variance is 1."""


class LatentEncoder(nn.Module):
    """The published encoder: instance normalisation, average over all cells."""

    def __init__(self, latent_channels: int, base_channels: int = ENCODER_CHANNELS) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(6, base_channels, 4, 2, 1), nn.LeakyReLU(0.2)]
        for level in (1, 2):
            in_channels, out_channels = base_channels << level - 1, base_channels << level
            layers += [nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=False), instance_norm(out_channels)]
            layers.append(nn.LeakyReLU(0.2))
        self.features = nn.Sequential(*layers)
        self.mean = nn.Linear(base_channels << 2, latent_channels)
        self.log_variance = nn.Linear(base_channels << 2, latent_channels)
        init_weights(self)

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Adjacent frames (b, 6, h, w) in [0, 1] -> two tensors (b, z)."""
        features = self.features(pairs).mean((2, 3))
        return self.mean(features), _limit(self.log_variance(features))


class MotionEncoder(nn.Module):
    """An encoder whose latents describe the motion from the first step of a training.

    Its input, at half the resolution, is the pair of frames and the matching costs of all displacements of up to
    `MAX_DISPLACEMENT` cells: the mean absolute difference of the frames around each cell. There is no instance
    normalisation: after it, the average over all cells contains hardly anything of a small object. The means are
    normalised over the batch, with trained scale and shift, and the variances are small at first, so that latents are
    a signal rather than noise.
    """

    def __init__(self, latent_channels: int, base_channels: int = ENCODER_CHANNELS) -> None:
        super().__init__()
        num_costs = (2 * MAX_DISPLACEMENT + 1) ** 2
        self.features = nn.Sequential(
            nn.Conv2d(6 + num_costs, base_channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(base_channels, base_channels << 1, 4, 2, 1),
            nn.LeakyReLU(0.2),
        )
        self.mean = nn.Linear(base_channels << 1, latent_channels)
        self.mean_norm = nn.BatchNorm1d(latent_channels)
        self.log_variance = nn.Linear(base_channels << 1, latent_channels)
        for layer in [*self.features, self.mean, self.log_variance]:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, 0.2)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Adjacent frames (b, 6, h, w) in [0, 1] -> two tensors (b, z)."""
        pairs = F.avg_pool2d(pairs, 2)
        first, second = pairs.chunk(2, 1)
        costs = matching_costs(first, second, MAX_DISPLACEMENT)
        features = self.features(torch.cat([pairs, costs], 1)).mean((2, 3))
        return self._normalise(self.mean(features).float()), _limit(self.log_variance(features) + INITIAL_LOG_VARIANCE)

    def _normalise(self, mean: Tensor) -> Tensor:
        """Batch normalisation; of a single pair by the running statistics."""
        if len(mean) > 1:
            normalised: Tensor = self.mean_norm(mean)
            return normalised
        norm = self.mean_norm
        return F.batch_norm(mean, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def matching_costs(first: Tensor, second: Tensor, max_displacement: int) -> Tensor:
    """Difference between each cell and the displaced one of `second`, (b, c, h, w) twice -> (b, (2d + 1)^2, h, w).

    The mean absolute difference over channels and 3x3 cells; the displacements are in the order of rows (dy, dx).
    """
    height, width = first.shape[-2:]
    padded = F.pad(second, (max_displacement,) * 4, mode="replicate")
    offsets = range(2 * max_displacement + 1)
    costs = [
        (padded[:, :, y : y + height, x : x + width] - first).abs().mean(1)
        for y, x in itertools.product(offsets, offsets)
    ]
    return F.avg_pool2d(torch.stack(costs, 1), 3, 1, 1, count_include_pad=False)


def _limit(log_variance: Tensor) -> Tensor:
    return log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
