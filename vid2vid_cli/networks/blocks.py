"""The parts that the generators are made of."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Norm = Literal["instance", "instance_plain", "group", "batch"]
Upsample = Literal["transpose", "resize"]


class BatchNorm(nn.BatchNorm2d):
    """Normalisation by the statistics of the pictures at hand, never by those of training, as vid2vid's networks do.

    Of one picture it is instance normalisation, and exact: on a CPU torch adds up pixel after pixel where a picture is
    channels_last, and loses three digits of a large one (GroupNorm's kernel four). Here each row is added up first.
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
        gain = self.weight * torch.rsqrt(variance + self.eps)
        return torch.addcmul(self.bias, centred, gain).permute(0, 3, 1, 2)


class InstanceNorm(nn.GroupNorm):
    """Normalisation of each channel of each picture by itself, written as GroupNorm with a group per channel.

    The same function, and on a CPU in channels_last its kernel is several times faster. But not of small maps, and it
    loses three digits where a channel hardly varies: synthesis, which has a picture at a time, normalises those as a
    batch of one, the same once more, six times as fast and with all digits.
    """

    SMALL = 1024
    """Cells, from which on torch's kernel is the fast one."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)"""
        small = len(x) == 1 and x.shape[-2] * x.shape[-1] < self.SMALL
        if not small or torch.is_grad_enabled() or x.device.type != "cpu" or x.dtype != torch.float32:
            return super().forward(x)
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)


def normalise(channels: int, norm: Norm) -> nn.Module:
    """Normalisation with learned gain and bias, or plain, without; the same in training and synthesis.

    How each is computed fastest and exactly, `InstanceNorm` and `BatchNorm` tell.
    """
    if norm == "batch":
        return BatchNorm(channels)
    if norm == "group":
        return nn.GroupNorm(max(1, channels // 16), channels)
    return InstanceNorm(channels, channels, affine=norm != "instance_plain")


def conv_block(inside: int, outside: int, kernel: int, norm: Norm, *, stride: int = 1) -> nn.Sequential:
    """Convolution, normalisation, ReLU; reflection padding where the size is kept, as published."""
    mode: Literal["reflect", "zeros"] = "reflect" if stride == 1 and kernel > 3 else "zeros"
    conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, padding_mode=mode)
    return nn.Sequential(conv, normalise(outside, norm), nn.ReLU(inplace=True))


def up_block(inside: int, outside: int, norm: Norm, upsample: Upsample) -> nn.Sequential:
    """Twice the size: the published transposed convolution, or nearest upsampling and a convolution."""
    if upsample == "transpose":
        up: list[nn.Module] = [nn.ConvTranspose2d(inside, outside, 3, 2, 1, output_padding=1)]
    else:
        up = [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(inside, outside, 3, 1, 1)]
    return nn.Sequential(*up, normalise(outside, norm), nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), no activation after the sum."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect"),
            normalise(channels, norm),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect"),
            normalise(channels, norm),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)"""
        return x + self.body(x)  # type: ignore[no-any-return]


def encoder(inside: int, *, width: int, downsamples: int, blocks: int, kernel: int, norm: Norm) -> nn.Sequential:
    """(b, inside, h, w) -> (b, width * 2^downsamples, h / 2^downsamples, w / 2^downsamples)"""
    layers: list[nn.Module] = [conv_block(inside, width, kernel, norm)]
    for level in range(downsamples):
        layers.append(conv_block(width << level, width << (level + 1), 3, norm, stride=2))
    layers += [ResidualBlock(width << downsamples, norm) for _ in range(blocks)]
    return nn.Sequential(*layers)


def decoder(*, width: int, downsamples: int, blocks: int, norm: Norm, upsample: Upsample) -> nn.Sequential:
    """The way back: (b, width * 2^downsamples, h', w') -> (b, width, h' * 2^downsamples, w' * 2^downsamples)"""
    layers: list[nn.Module] = [ResidualBlock(width << downsamples, norm) for _ in range(blocks)]
    for level in reversed(range(downsamples)):
        layers.append(up_block(width << (level + 1), width << level, norm, upsample))
    return nn.Sequential(*layers)


def head(inside: int, outside: int, kernel: int) -> nn.Conv2d:
    """The last convolution, (b, inside, h, w) -> (b, outside, h, w)."""
    return nn.Conv2d(inside, outside, kernel, 1, kernel // 2, padding_mode="reflect")


def run(layer: nn.Module, x: Tensor, *, recompute: bool) -> Tensor:
    """`layer(x)`; with `recompute`, and where there are gradients, its activations are computed again for them."""
    if recompute and torch.is_grad_enabled():
        return checkpoint(layer, x, use_reentrant=False)  # type: ignore[no-any-return]
    return layer(x)  # type: ignore[no-any-return]


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Convolutions from N(0, 0.02), biases zero, gains from N(1, 0.02), as published."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.GroupNorm | nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
