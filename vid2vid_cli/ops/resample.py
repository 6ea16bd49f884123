"""Resampling of images and patches, padding to a multiple, cropping, and the convolution of patches."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


def downsample2x(image: Tensor) -> Tensor:
    """3x3 average pooling with stride 2, (b, c, h, w) -> (b, c, ceil(h / 2), ceil(w / 2)); padding is not counted."""
    return F.avg_pool2d(image, 3, stride=2, padding=1, count_include_pad=False)


def upsample_bilinear(image: Tensor, height: int, width: int, *, align_corners: bool = False) -> Tensor:
    """Bilinear interpolation in float32, (b, c, h, w) -> (b, c, height, width), contiguous.

    On the CPU by a product with one matrix per axis, which is two to eight times as fast as torch's kernel; the results
    are equal to rounding.
    """
    image = image.float().contiguous()
    # A subclass has no values: FakeTensor measures memory.
    if image.device.type != "cpu" or torch.compiler.is_compiling() or type(image) is not Tensor:
        return F.interpolate(image, size=(height, width), mode="bilinear", align_corners=align_corners)
    # As numbers: a traced graph would compute the matrices for each frame.
    num_rows, num_columns, height, width = (int(size) for size in (*image.shape[-2:], height, width))
    columns = _interpolation_matrix(num_columns, width, align_corners)
    with torch.autocast("cpu", enabled=False):
        wide = image @ columns.t()
        if height % num_rows == 0 and not align_corners and not torch.is_grad_enabled():
            return _upsample_rows(wide, height // num_rows)
        return _interpolation_matrix(num_rows, height, align_corners) @ wide


def upsample_patches(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    """`upsample_bilinear` of a value per patch, (b, c, h', w') -> (b, c, height, width), cropped as by `crop_to`."""
    rows, columns = (size * patch_size for size in patches.shape[-2:])
    return crop_to(upsample_bilinear(patches, rows, columns), height, width)


def _upsample_rows(image: Tensor, factor: int) -> Tensor:
    """Linear interpolation of rows, (b, c, h, w) -> (b, c, factor * h, w): two thirds of the time of a product."""
    batch, channels, rows, columns = image.shape
    above = torch.cat([image[..., :1, :], image[..., :-1, :]], -2)
    below = torch.cat([image[..., 1:, :], image[..., -1:, :]], -2)
    from_above, to_below = _row_weights(factor)
    result = image.new_empty(batch, channels, rows, factor, columns)
    torch.lerp(above[..., None, :], image[..., None, :], from_above, out=result[..., : len(from_above), :])
    torch.lerp(image[..., None, :], below[..., None, :], to_below, out=result[..., len(from_above) :, :])
    return result.view(batch, channels, rows * factor, columns)


@lru_cache(maxsize=8)
def _row_weights(factor: int) -> tuple[Tensor, Tensor]:
    """Of the new rows above and below the centre of a row: the weight of this row, and that of the one below it."""
    with torch.inference_mode(False):
        offsets = (torch.arange(factor)[:, None] + 0.5) / factor - 0.5
        return 1 + offsets[: factor // 2], offsets[factor // 2 :]


@lru_cache(maxsize=64)
def _interpolation_matrix(size: int, target_size: int, align_corners: bool) -> Tensor:
    """(target_size, size): the linear interpolation of `size` values at `target_size` positions."""
    with torch.inference_mode(False):
        unit = torch.eye(size, dtype=torch.float64)[None]
        columns = F.interpolate(unit, size=target_size, mode="linear", align_corners=align_corners)[0]
        return columns.t().float().contiguous()


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Replicate the right and bottom border up to multiples of `multiple`, (b, c, h, w) -> (b, c, h', w')."""
    height, width = image.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if bottom == 0 and right == 0:
        return image
    return F.pad(image, (0, right, 0, bottom), mode="replicate")


def crop_to(image: Tensor, height: int, width: int) -> Tensor:
    """The upper left part, (b, c, h', w') -> (b, c, height, width): the inverse of `pad_to_multiple`."""
    return image[..., :height, :width]


def average_patches(image: Tensor, patch_size: int) -> Tensor:
    """The means of patches, (b, c, h, w) -> (b, c, h / patch_size, w / patch_size): a third of avg_pool2d's time."""
    batch, channels, height, width = image.shape
    rows = image.reshape(batch, channels, height // patch_size, patch_size, width).sum(3)
    return rows.view(*rows.shape[:3], width // patch_size, patch_size).mean(-1) / patch_size


def patches_to_pixels(patches: Tensor, patch_size: int) -> Tensor:
    """`pixel_shuffle`, (b, c * patch_size**2, h, w) -> (b, c, h * patch_size, w * patch_size), always contiguous.

    torch's kernel on the CPU is 1.6 to 5 times slower, and its channels_last output slows all that follows.
    """
    batch, channels, height, width = patches.shape
    cells = patches.reshape(batch, channels // patch_size**2, patch_size, patch_size, height, width)
    return cells.permute(0, 1, 4, 2, 5, 3).reshape(batch, -1, height * patch_size, width * patch_size)


def patch_conv2d(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution whose stride is the size of its kernel, (b, c, h, w), (o, c, p, p) -> (b, o, h / p, w / p).

    On a CPU it is computed without autocast and, with its gradient, in channels_last. With a stride of 4 or more,
    oneDNN's AMX kernel for bf16 (3.12, of torch 2.14) computes wrong values for some numbers of channels, such as 16
    and 24. The convolution is limited by memory, so bf16 is not faster. The gradient of four images of 19 channels at
    256 px takes 53 ms in the contiguous format, 9 in channels_last.
    """
    patch_size = weight.shape[-1]
    if image.device.type != "cpu":
        return F.conv2d(image, weight, bias, patch_size)
    is_autocast, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    with torch.autocast("cpu", enabled=False):
        patches = F.conv2d(image.contiguous(memory_format=torch.channels_last), weight, bias, patch_size)
    patches = patches.to(dtype) if is_autocast else patches
    is_channels_last = weight.is_contiguous(memory_format=torch.channels_last)
    return patches if is_channels_last else patches.contiguous()
