"""PSNR by hand, SSIM against a direct implementation of the formula, and sharpness by property."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vid2vid_cli.metrics.image import psnr, sharpness, ssim


def test_psnr_by_hand() -> None:
    target = torch.zeros(2, 3, 4, 4)
    image = target.clone()
    image[0] += 0.2  # 10 log10(4 / 0.04) = 20 dB
    image[1, 0] += 2.0  # one of three channels differs by the whole range: 10 log10(4 / (4 / 3))
    assert psnr(image, target).tolist() == pytest.approx([20.0, 10 * math.log10(3)], abs=1e-4)
    assert psnr(target, target).isinf().all()


def reference_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM of one channel (h, w) in [0, 1], computed window by window with the constants of the paper."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for y in range(5, a.shape[0] - 5):
        for x in range(5, a.shape[1] - 5):
            p, q = (image[y - 5 : y + 6, x - 5 : x + 6] for image in (a, b))
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            c1, c2 = 0.01**2, 0.03**2
            values.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(values))


def test_ssim_matches_reference() -> None:
    """The formula is defined for [0, 1]; in [-1, 1] it gives other values."""
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, (2, 3, 14, 17))
    b = np.clip(a + rng.normal(0, 0.3, a.shape), -1, 1)
    values = ssim(torch.tensor(a), torch.tensor(b))
    channel_values = [
        [reference_ssim((p + 1) / 2, (q + 1) / 2) for p, q in zip(x, y, strict=True)] for x, y in zip(a, b, strict=True)
    ]
    expected = [np.mean(channels) for channels in channel_values]
    assert values.tolist() == pytest.approx(expected, abs=1e-6)


def test_ssim_of_equal_and_inverted_images() -> None:
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    assert float(ssim(image, image)) == pytest.approx(1.0, abs=1e-5)
    assert float(ssim(image, -image)) < 0


def test_sharpness_of_real_frame_is_one_and_blur_lowers_it() -> None:
    image = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    blurred = [torch.nn.functional.avg_pool2d(image, size, 1, size // 2, count_include_pad=False) for size in (3, 5)]
    values = torch.stack([sharpness(x, image) for x in (image, *blurred)])
    assert values[0].tolist() == [1, 1]
    assert (values[0] > values[1]).all()
    assert (values[1] > values[2]).all()
    noisy = image + 0.5 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    assert (sharpness(noisy, image) > 1).all()


def test_sharpness_by_hand() -> None:
    """A single pixel d above the rest: a Laplacian of -4 d, four times d, and 0 elsewhere, so the ratio is linear in d.

    Brightness and linear gradients have a Laplacian of 0. Images without any detail count as equally sharp.
    """
    ramp = torch.linspace(-1, 1, 9).expand(1, 3, 9, 9)
    image, target = ramp.clone(), ramp.clone()
    image[..., 4, 4] += 0.25
    target[..., 4, 4] += 0.5
    assert float(sharpness(image + 0.1, target)) == pytest.approx(0.5, abs=1e-5)
    assert float(sharpness(ramp, torch.zeros_like(ramp))) == 1
