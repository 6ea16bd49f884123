"""Building blocks of the generators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vid2vid_cli.ops.resample import patch_conv2d

Norm = Literal["instance", "instance_no_affine", "group", "batch", "none"]
Upsample = Literal["transpose", "resize"]
ConditionRange = tuple[Literal[-1, 0], Literal[1]]
"""Value range of the condition inputs: (-1, 1), or (0, 1) as in the published networks."""


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the statistics of the current batch in training and synthesis, as in vid2vid.

    On the CPU the mean is computed row by row: torch's kernel accumulates a channels_last image pixel by pixel and
    loses three digits on a large one (GroupNorm's kernel four).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)"""
        if x.device.type != "cpu" or x.dtype != torch.float32:
            return super().forward(x)
        rows = x.permute(0, 2, 3, 1)
        centred = rows - rows.mean(2).mean((0, 1))
        variance = centred.square().mean(2).mean((0, 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return torch.addcmul(self.bias, centred, scale).permute(0, 3, 1, 2)


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation, implemented as GroupNorm with one group per channel.

    On the CPU in channels_last the GroupNorm kernel is several times faster than InstanceNorm's, except on small maps;
    it also loses three digits if a channel hardly varies. In synthesis, which has a batch of one, small maps therefore
    use batch normalisation, which is the same function there, six times as fast and exact; of bf16, 30 times as fast.
    """

    MIN_GROUP_NORM_CELLS = 1024
    """Smallest number of cells (h w) for which the GroupNorm kernel is the faster one."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)"""
        is_small = len(x) == 1 and x.shape[-2] * x.shape[-1] < self.MIN_GROUP_NORM_CELLS
        if not is_small or torch.is_grad_enabled() or x.device.type != "cpu" or x.dtype == torch.float64:
            return super().forward(x)
        normalised = F.batch_norm(x.float(), None, None, self.weight, self.bias, training=True, eps=self.eps)
        return normalised.to(x.dtype)


class PatchEmbed(nn.Conv2d):
    """A convolution whose stride is the size of its kernel: one cell per patch, `patch_size` pixels high and wide."""

    def __init__(self, in_channels: int, out_channels: int, patch_size: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, patch_size, patch_size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, h / patch_size, w / patch_size)"""
        return patch_conv2d(x, self.weight, self.bias)


def norm_layer(channels: int, norm: Norm) -> nn.Module:
    """A normalisation layer; affine except for "instance_no_affine". It behaves alike in training and synthesis."""
    if norm == "none":
        return nn.Identity()
    if norm == "batch":
        return BatchNorm(channels)
    if norm == "group":
        largest = max(1, channels // 16)
        num_groups = next(number for number in range(largest, 0, -1) if channels % number == 0)
        return nn.GroupNorm(num_groups, channels)
    return InstanceNorm(channels, channels, affine=norm != "instance_no_affine")


def conv_block(in_channels: int, out_channels: int, kernel_size: int, norm: Norm, *, stride: int = 1) -> nn.Sequential:
    """Convolution, normalisation, ReLU. Stride-1 convolutions larger than 3x3 use reflection padding, as published."""
    padding_mode: Literal["reflect", "zeros"] = "reflect" if stride == 1 and kernel_size > 3 else "zeros"
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, padding_mode=padding_mode)
    return nn.Sequential(conv, norm_layer(out_channels, norm), nn.ReLU(inplace=True))


def upsample_block(in_channels: int, out_channels: int, norm: Norm, upsample: Upsample) -> nn.Sequential:
    """2x upsampling by a transposed convolution (as published), or by nearest upsampling and a convolution."""
    if upsample == "transpose":
        upsample_layers: list[nn.Module] = [nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, output_padding=1)]
    else:
        upsample_layers = [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(in_channels, out_channels, 3, 1, 1)]
    return nn.Sequential(*upsample_layers, norm_layer(out_channels, norm), nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), without an activation after the sum."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect"),
            norm_layer(channels, norm),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect"),
            norm_layer(channels, norm),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)"""
        return x + self.body(x)  # type: ignore[no-any-return]


def build_encoder(
    in_channels: int, *, base_channels: int, num_downsamples: int, num_res_blocks: int, kernel_size: int, norm: Norm
) -> nn.Sequential:
    """(b, in_channels, h, w) -> (b, base_channels * 2^n, h / 2^n, w / 2^n) with n = num_downsamples."""
    layers: list[nn.Module] = [conv_block(in_channels, base_channels, kernel_size, norm)]
    for level in range(num_downsamples):
        layers.append(conv_block(base_channels << level, base_channels << (level + 1), 3, norm, stride=2))
    layers += [ResidualBlock(base_channels << num_downsamples, norm) for _ in range(num_res_blocks)]
    return nn.Sequential(*layers)


def build_decoder(
    *, base_channels: int, num_downsamples: int, num_res_blocks: int, norm: Norm, upsample: Upsample
) -> nn.Sequential:
    """(b, base_channels * 2^n, h', w') -> (b, base_channels, h' * 2^n, w' * 2^n) with n = num_downsamples."""
    layers: list[nn.Module] = [ResidualBlock(base_channels << num_downsamples, norm) for _ in range(num_res_blocks)]
    for level in reversed(range(num_downsamples)):
        layers.append(upsample_block(base_channels << (level + 1), base_channels << level, norm, upsample))
    return nn.Sequential(*layers)


def output_conv(in_channels: int, out_channels: int, kernel_size: int) -> nn.Conv2d:
    """The output convolution, (b, in_channels, h, w) -> (b, out_channels, h, w)."""
    return nn.Conv2d(in_channels, out_channels, kernel_size, 1, kernel_size // 2, padding_mode="reflect")


def maybe_checkpoint(layer: Callable[[Tensor], Tensor], x: Tensor, *, enabled: bool) -> Tensor:
    """`layer(x)`, with gradient checkpointing if `enabled` and gradients are recorded."""
    if enabled and torch.is_grad_enabled():
        return checkpoint(layer, x, use_reentrant=False)
    return layer(x)


@torch.no_grad()
def init_weights(network: nn.Module) -> None:
    """Initialise convolutions from N(0, 0.02), gains from N(1, 0.02) and biases with zero, as published."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.GroupNorm | nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
