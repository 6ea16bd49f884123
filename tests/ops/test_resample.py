"""Downsampling, upsampling, padding and cropping."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from vid2vid_cli.ops.resample import (
    average_patches,
    crop_to,
    downsample2x,
    pad_to_multiple,
    patch_conv2d,
    upsample_bilinear,
    upsample_patches,
)


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


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("size", "target"), [((5, 7), (20, 28)), ((41, 28), (321, 217)), ((1, 1), (4, 4))])
def test_upsample_bilinear_equals_interpolate(
    size: tuple[int, int], target: tuple[int, int], align_corners: bool
) -> None:
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)).requires_grad_()
    result = upsample_bilinear(image, *target, align_corners=align_corners)
    expected = interpolate(image, size=target, mode="bilinear", align_corners=align_corners)
    assert torch.allclose(result, expected, atol=1e-5)
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad((image_ * weights).sum(), image)[0] for image_ in (result, expected)]
    assert torch.allclose(*gradients, atol=1e-4)


def test_upsample_bilinear_is_exact_under_autocast_and_in_inference_mode() -> None:
    """In bfloat16, positions would be wrong by pixels; a cached matrix may be part of a graph with gradients."""
    image = torch.rand(1, 2, 9, 9).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        result = upsample_bilinear(image, 65, 65, align_corners=True)
    assert result.dtype == torch.float32
    assert torch.allclose(result[..., ::8, ::8], image, atol=1e-6)
    upsample_bilinear(image.requires_grad_(), 65, 65, align_corners=True).sum().backward()


@pytest.mark.parametrize("has_gradient", [True, False])
@pytest.mark.parametrize("patch_size", [1, 2, 3, 4, 8])
def test_upsample_patches_crops_the_padding(patch_size: int, has_gradient: bool) -> None:
    patches = torch.rand(2, 2, 3, 4)
    height, width = 3 * patch_size - patch_size // 2, 4 * patch_size - patch_size // 3
    expected = interpolate(patches, scale_factor=patch_size, mode="bilinear")[..., :height, :width]
    with torch.set_grad_enabled(has_gradient):
        assert torch.allclose(upsample_patches(patches, patch_size, height, width), expected, atol=1e-6)


def test_upsample_patches_is_float32_under_autocast() -> None:
    patches = torch.rand(1, 1, 4, 4).bfloat16()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        result = upsample_patches(patches, 4, 16, 16)
    assert result.dtype == torch.float32
    assert torch.allclose(result, interpolate(patches.float(), scale_factor=4, mode="bilinear"), atol=1e-6)


def test_average_patches_equals_avg_pool2d() -> None:
    image = torch.rand(2, 3, 8, 12)
    for layout in (image, image.contiguous(memory_format=torch.channels_last)):
        assert torch.allclose(average_patches(layout, 4), avg_pool2d(image, 4), atol=1e-6)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("patch_size", [2, 4, 8])
@pytest.mark.parametrize("channels", [3, 8, 16, 19, 24])
def test_patch_conv2d_equals_conv2d_in_bf16(channels: int, patch_size: int, memory_format: torch.memory_format) -> None:
    """On CPUs with AMX, conv2d in bf16 is wrong by its own size for some of these shapes."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, channels, 48, 64, generator=generator).requires_grad_()
    weight = torch.randn(32, channels, patch_size, patch_size, generator=generator)
    weight, bias = weight.to(memory_format=memory_format).requires_grad_(), torch.randn(32, generator=generator)
    expected = conv2d(image, weight, bias, patch_size)
    assert torch.allclose(patch_conv2d(image, weight, bias), expected, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        result = patch_conv2d(image, weight, bias)
    assert result.dtype == torch.bfloat16
    assert result.is_contiguous(memory_format=memory_format)
    factors = torch.randn(expected.shape, generator=generator)
    gradients = torch.autograd.grad((expected * factors).sum(), (image, weight))
    bf16_gradients = torch.autograd.grad((result.float() * factors).sum(), (image, weight))
    for value, exact in zip((result.float(), *bf16_gradients), (expected, *gradients), strict=True):
        assert (value - exact).norm() < 0.01 * exact.norm()
