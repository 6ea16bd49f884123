"""Likeness of pictures. Pure functions of float tensors in [-1, 1]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RANGE = 2.0
"""From -1 to 1."""


def psnr(picture: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, (b, 3, h, w) twice -> (b,); infinite for equal pictures."""
    error = (picture - target).square().mean((1, 2, 3))
    return 10 * torch.log10(RANGE**2 / error)


def ssim(picture: Tensor, target: Tensor) -> Tensor:
    """Structural similarity, (b, 3, h, w) twice -> (b,).

    Wang et al., IEEE TIP 2004: Gaussian window of 11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03, averaged over the
    pixels that have a whole window and over the colour channels. Sides must be at least 11 pixels.
    """
    # The luminance term compares brightness, so black must be 0: in [-1, 1] it would compare signs.
    picture, target = ((image + 1) / RANGE for image in (picture, target))
    position = torch.arange(11, dtype=picture.dtype, device=picture.device) - 5
    bell = torch.exp(-position.square() / (2 * 1.5**2))
    bell = bell / bell.sum()
    channels = picture.shape[1]

    def blur(image: Tensor) -> Tensor:
        along = F.conv2d(image, bell.view(1, 1, 11, 1).expand(channels, 1, 11, 1), groups=channels)
        return F.conv2d(along, bell.view(1, 1, 1, 11).expand(channels, 1, 1, 11), groups=channels)

    mean_a, mean_b = blur(picture), blur(target)
    variance_a = blur(picture.square()) - mean_a.square()
    variance_b = blur(target.square()) - mean_b.square()
    covariance = blur(picture * target) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    scale = (mean_a.square() + mean_b.square() + c1) * (variance_a + variance_b + c2)
    return (likeness / scale).mean((1, 2, 3))
