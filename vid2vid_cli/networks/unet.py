"""The frame-wise generator of pix2pix (Isola et al., CVPR 2017, section 3.2): a U-Net.

Stride-2 convolutions down to a few cells and back, each level handed the features of the same size on the way down.
Its only noise is dropout in the innermost levels of the way back. As published it is on in synthesis too; over a video
that is flicker, so here it ends with training (`eval()`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vid2vid_cli.core.types import FrameOutput, check_shape
from vid2vid_cli.networks.blocks import Norm, Upsample, initialise, normalise, run
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple

WIDEST = 8
"""Channels grow to this many times the width."""
OUTER = 5
"""Levels without dropout, the outermost: of the published eight, three have it."""


class UNetGenerator(nn.Module):
    """A frame from its condition alone: a sequence model with a window of one and no past.

    Any size of more than 2^(downsamples - 1) pixels: an odd side is made even at each level, and cropped coming back.
    """

    def __init__(
        self,
        condition_channels: int,
        *,
        width: int = 64,
        downsamples: int = 8,
        norm: Norm = "instance",
        upsample: Upsample = "transpose",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.scales = 1
        self.past = 0
        self.window = 1
        self.condition_channels = condition_channels
        self.recompute = False
        """Whether activations are computed again in the backward pass instead of kept (gradient checkpointing)."""
        widths = [min(width << level, width * WIDEST) for level in range(downsamples)]
        self.down = nn.ModuleList()
        for level, (inside, outside) in enumerate(pairwise([condition_channels, *widths])):
            plain = level in (0, downsamples - 1)  # colours are kept as they are, and one cell has no spread
            self.down.append(_down(inside, outside, None if plain else norm, active=level > 0))
        self.up = nn.ModuleList()
        for level in reversed(range(1, downsamples)):
            inside = widths[level] * (1 if level == downsamples - 1 else 2)
            loss = dropout if level >= OUTER else 0.0
            self.up.append(_up(inside, widths[level - 1], norm, upsample, loss))
        inside = width * (1 if downsamples == 1 else 2)
        self.head = nn.Sequential(nn.ReLU(), *_twice(inside, 3, upsample, bias=True))
        initialise(self)

    def forward(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
        """The frame of a condition, (b, 1, c, h, w), nothing -> FrameOutput of (b, 3, h, w) without flow."""
        check_shape("window", window, "b l c h w", l=1, c=self.condition_channels)
        features = window[:, 0]
        height, width = features.shape[-2:]
        seen: list[Tensor] = []
        for layer in self.down:
            seen.append(features)
            features = run(layer, pad_to_multiple(features, 2), recompute=self.recompute)
        for layer, beside in zip(self.up, reversed(seen[1:]), strict=True):
            features = crop_to(run(layer, features, recompute=self.recompute), *beside.shape[-2:])
            features = torch.cat([beside, features], 1)
        raw = torch.tanh(crop_to(self.head(features), height, width).float())
        return FrameOutput(raw, raw)

    def learn(self, *, finest_only: bool, stills: bool = False) -> None:
        """There is one scale and no past: all of it learns."""

    def keep_less(self, recompute: bool) -> None:
        """Whether activations are computed again in the backward pass, which takes a third longer and far less room."""
        self.recompute = recompute


def _down(inside: int, outside: int, norm: Norm | None, *, active: bool) -> nn.Sequential:
    """Half the size by a 4x4 convolution without a bias, as published even where no normalisation follows."""
    layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if active else []
    layers.append(nn.Conv2d(inside, outside, 4, 2, 1, bias=False))
    if norm is not None:
        layers.append(normalise(outside, norm))
    return nn.Sequential(*layers)


def _up(inside: int, outside: int, norm: Norm, upsample: Upsample, dropout: float) -> nn.Sequential:
    """Twice the size, normalised."""
    layers = [nn.ReLU(), *_twice(inside, outside, upsample, bias=False), normalise(outside, norm)]
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []))


def _twice(inside: int, outside: int, upsample: Upsample, *, bias: bool) -> list[nn.Module]:
    """The published 4x4 transposed convolution, or nearest upsampling and a 3x3 convolution."""
    if upsample == "transpose":
        return [nn.ConvTranspose2d(inside, outside, 4, 2, 1, bias=bias)]
    return [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(inside, outside, 3, 1, 1, bias=bias)]
