"""Downsampling, padding and cropping."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.ops.resample import crop_to, downsample2x, pad_to_multiple


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (61, 97)])
def test_downsample2x_rounds_up_and_keeps_constant_image(height: int, width: int) -> None:
    half = downsample2x(torch.full((1, 2, height, width), 0.7))
    assert half.shape[-2:] == ((height + 1) // 2, (width + 1) // 2)
    assert torch.allclose(half, torch.full_like(half, 0.7))


def test_downsample2x_averages_3x3_and_2x2_in_corner() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4)
    half = downsample2x(image)[0, 0]
    assert half[0, 0] == image[0, 0, :2, :2].mean()
    assert half[1, 1] == image[0, 0, 1:4, 1:4].mean()


@pytest.mark.parametrize(("height", "width"), [(61, 97), (64, 96), (1, 1), (8, 9)])
def test_crop_to_inverts_pad_to_multiple(height: int, width: int) -> None:
    image = torch.rand(2, 3, height, width)
    padded = pad_to_multiple(image, 8)
    assert padded.shape[-2] % 8 == padded.shape[-1] % 8 == 0
    assert padded.shape[-2] - height < 8
    assert padded.shape[-1] - width < 8
    assert torch.equal(crop_to(padded, height, width), image)
    assert torch.equal(padded[..., -1, -1], image[..., -1, -1])
