"""PSNR by hand, and SSIM against the formula written out slowly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vid2vid_cli.metrics.image import psnr, ssim


def test_psnr_by_hand() -> None:
    target = torch.zeros(2, 3, 4, 4)
    picture = target.clone()
    picture[0] += 0.2  # 10 log10(4 / 0.04) = 20 dB
    picture[1, 0] += 2.0  # one channel of three wrong by the whole range: 10 log10(4 / (4 / 3))
    assert psnr(picture, target).tolist() == pytest.approx([20.0, 10 * math.log10(3)], abs=1e-4)
    assert psnr(target, target).isinf().all()


def slow_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """One channel (h, w) in [0, 1], each window summed on its own; the 2004 paper's own constants."""
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


def test_ssim_against_the_slow_formula() -> None:
    """The paper's pictures are brightness, black = 0: in [-1, 1] the same formula gives other numbers."""
    random = np.random.default_rng(0)
    a = random.uniform(-1, 1, (2, 3, 14, 17))
    b = np.clip(a + random.normal(0, 0.3, a.shape), -1, 1)
    found = ssim(torch.tensor(a), torch.tensor(b))
    bright = [
        [slow_ssim((p + 1) / 2, (q + 1) / 2) for p, q in zip(x, y, strict=True)] for x, y in zip(a, b, strict=True)
    ]
    expected = [np.mean(channels) for channels in bright]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_ssim_of_equal_and_of_opposite_pictures() -> None:
    picture = torch.rand(1, 3, 16, 16) * 2 - 1
    assert float(ssim(picture, picture)) == pytest.approx(1.0, abs=1e-5)
    assert float(ssim(picture, -picture)) < 0
