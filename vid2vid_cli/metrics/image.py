"""Image similarity: pure functions of float tensors in [-1, 1]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DATA_RANGE = 2.0
"""From -1 to 1."""
MAX_PSNR = 100.0
"""Limit in dB of the PSNR of equal frames, so that the mean is finite."""
LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""
MIN_DETAIL = DATA_RANGE / 255
"""Standard deviations of the Laplacian below one level of 8-bit images count as one level."""


def psnr(image: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, (b, 3, h, w) twice -> (b,); infinite for equal images."""
    error = (image - target).square().mean((1, 2, 3))
    return 10 * torch.log10(DATA_RANGE**2 / error)


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """Structural similarity, (b, 3, h, w) twice -> (b,).

    Wang et al., IEEE TIP 2004: Gaussian window of 11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03, averaged over the
    pixels with a complete window and over the colour channels. Sides must be at least 11 pixels.
    """
    # The luminance term needs non-negative values: scale to [0, 1].
    image, target = ((x + 1) / DATA_RANGE for x in (image, target))
    position = torch.arange(11, dtype=image.dtype, device=image.device) - 5
    gaussian = torch.exp(-position.square() / (2 * 1.5**2))
    gaussian = gaussian / gaussian.sum()
    channels = image.shape[1]

    def blur(x: Tensor) -> Tensor:
        blurred_rows = F.conv2d(x, gaussian.view(1, 1, 11, 1).expand(channels, 1, 11, 1), groups=channels)
        return F.conv2d(blurred_rows, gaussian.view(1, 1, 1, 11).expand(channels, 1, 1, 11), groups=channels)

    mean_a, mean_b = blur(image), blur(target)
    variance_a = blur(image.square()) - mean_a.square()
    variance_b = blur(target.square()) - mean_b.square()
    covariance = blur(image * target) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    numerator = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    denominator = (mean_a.square() + mean_b.square() + c1) * (variance_a + variance_b + c2)
    return (numerator / denominator).mean((1, 2, 3))


def sharpness(image: Tensor, target: Tensor) -> Tensor:
    """Amount of fine detail relative to `target`, (b, 3, h, w) twice -> (b,); sides of at least 3 pixels.

    The standard deviation of the Laplacian of the luma, divided by that of `target`: 1 for an equally sharp image, less
    for a blurred one, more for noise or ringing. It does not measure whether the detail is in the right place.
    """
    detail, target_detail = (_laplacian(x).std((1, 2, 3), correction=0).clamp(min=MIN_DETAIL) for x in (image, target))
    return detail / target_detail


def _laplacian(image: Tensor) -> Tensor:
    """The Laplacian (b, 1, h - 2, w - 2) of the luma of (b, 3, h, w), from the four neighbours of each pixel."""
    luma = (image * image.new_tensor(LUMA_WEIGHTS).view(3, 1, 1)).sum(1, keepdim=True)
    centre = luma[..., 1:-1, 1:-1]
    vertical, horizontal = (luma[..., :-2, 1:-1] + luma[..., 2:, 1:-1], luma[..., 1:-1, :-2] + luma[..., 1:-1, 2:])
    return vertical + horizontal - 4 * centre
