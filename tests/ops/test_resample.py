"""Pyramids and padding."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.ops.resample import crop_to, halve, pad_to_multiple


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (61, 97)])
def test_halving_rounds_up_and_keeps_a_flat_picture(height: int, width: int) -> None:
    half = halve(torch.full((1, 2, height, width), 0.7))
    assert half.shape[-2:] == ((height + 1) // 2, (width + 1) // 2)
    assert torch.allclose(half, torch.full_like(half, 0.7))


def test_halving_is_a_mean_of_nine_and_of_four_in_the_corner() -> None:
    picture = torch.arange(16.0).view(1, 1, 4, 4)
    half = halve(picture)[0, 0]
    assert half[0, 0] == picture[0, 0, :2, :2].mean()
    assert half[1, 1] == picture[0, 0, 1:4, 1:4].mean()


@pytest.mark.parametrize(("height", "width"), [(61, 97), (64, 96), (1, 1), (8, 9)])
def test_cropping_undoes_padding(height: int, width: int) -> None:
    picture = torch.rand(2, 3, height, width)
    padded = pad_to_multiple(picture, 8)
    assert padded.shape[-2] % 8 == padded.shape[-1] % 8 == 0
    assert padded.shape[-2] - height < 8
    assert padded.shape[-1] - width < 8
    assert torch.equal(crop_to(padded, height, width), picture)
    assert torch.equal(padded[..., -1, -1], picture[..., -1, -1])
