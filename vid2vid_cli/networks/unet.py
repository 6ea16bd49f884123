"""The frame-wise generator of pix2pix (Isola et al., CVPR 2017, section 3.2): a U-Net.

Stride-2 convolutions reduce the image to a few cells; each decoder level is concatenated with the encoder features of
its size. The only noise is dropout in the innermost decoder levels. The published code applies it in synthesis too,
which flickers in video; here it is off in `eval()` mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vid2vid_cli.core.types import FrameOutput, check_shape
from vid2vid_cli.networks.blocks import Norm, Upsample, init_weights, maybe_checkpoint, norm_layer
from vid2vid_cli.networks.style_encoder import StyleEncoder
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple

MAX_CHANNEL_MULTIPLIER = 8
"""Largest number of channels, as a multiple of `base_channels`."""
NUM_LEVELS_WITHOUT_DROPOUT = 5
"""Number of outermost levels without dropout; the three inner ones of the published eight levels have it."""


class UNetGenerator(nn.Module):
    """A frame-wise generator: a sequence model with a window of one and no past.

    Sides must be larger than 2^(num_downsamples - 1) pixels. Odd sides are padded at each level and cropped again.
    """

    def __init__(
        self,
        condition_channels: int,
        *,
        base_channels: int = 64,
        num_downsamples: int = 8,
        norm: Norm = "instance",
        upsample: Upsample = "transpose",
        dropout: float = 0.5,
        conv_bias: bool = False,
        skip_connections: bool = True,
        style_encoder: StyleEncoder | None = None,
        latent_channels: int = 0,
        num_latent_levels: int = 0,
    ) -> None:
        """`style_encoder`: used by the training step, not by `forward`.

        `num_latent_levels`: encoder levels, the outermost first, whose inputs are concatenated with a latent.
        """
        super().__init__()
        self.num_scales = 1
        self.past_frames = 0
        self.window_size = 1
        self.condition_channels = condition_channels
        self.gradient_checkpointing = False
        self.skip_connections = skip_connections
        skip_factor = 2 if skip_connections else 1
        self.num_latent_levels = num_latent_levels
        level_channels = [
            min(base_channels << level, base_channels * MAX_CHANNEL_MULTIPLIER) for level in range(num_downsamples)
        ]
        self.down = nn.ModuleList()
        for level, (in_channels, out_channels) in enumerate(pairwise([condition_channels, *level_channels])):
            # The first level keeps the input's mean and contrast; the innermost may be one cell, without a variance.
            is_unnormalized = level in (0, num_downsamples - 1)
            self.down.append(
                _downsample_block(
                    in_channels + (latent_channels if level < num_latent_levels else 0),
                    out_channels,
                    None if is_unnormalized else norm,
                    has_activation=level > 0,
                    bias=conv_bias,
                )
            )
        self.up = nn.ModuleList()
        for level in reversed(range(1, num_downsamples)):
            in_channels = level_channels[level] * (1 if level == num_downsamples - 1 else skip_factor)
            level_dropout = dropout if level >= NUM_LEVELS_WITHOUT_DROPOUT else 0.0
            self.up.append(
                _upsample_block(
                    in_channels,
                    level_channels[level - 1],
                    norm=norm,
                    upsample=upsample,
                    dropout=level_dropout,
                    bias=conv_bias,
                )
            )
        in_channels = base_channels * (1 if num_downsamples == 1 else skip_factor)
        self.head = nn.Sequential(nn.ReLU(), *_upsample_layers(in_channels, 3, upsample, bias=True))
        init_weights(self)
        self.style_encoder = style_encoder

    def forward(
        self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False, latent: Tensor | None = None
    ) -> FrameOutput:
        """Generate a frame from its condition, (b, 1, c, h, w) -> FrameOutput without flow; `past` is ignored.

        `latent` (b, latent_channels): needed if `num_latent_levels` is not 0.
        """
        check_shape("window", window, "b l c h w", l=1, c=self.condition_channels)
        features = window[:, 0]
        height, width = features.shape[-2:]
        skips: list[Tensor] = []
        for level, layer in enumerate(self.down):
            skips.append(features)
            if latent is not None and level < self.num_latent_levels:
                latent_maps = latent[:, :, None, None].expand(-1, -1, *features.shape[-2:])
                features = torch.cat([features, latent_maps.to(features.dtype)], 1)
            features = maybe_checkpoint(layer, pad_to_multiple(features, 2), enabled=self.gradient_checkpointing)
        for layer, skip in zip(self.up, reversed(skips[1:]), strict=True):
            features = crop_to(maybe_checkpoint(layer, features, enabled=self.gradient_checkpointing), *skip.shape[-2:])
            if self.skip_connections:
                features = torch.cat([skip, features], 1)
        raw = torch.tanh(crop_to(self.head(features), height, width).float())
        return FrameOutput(raw, raw)

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        """No effect: there is one scale and no past."""

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Enable gradient checkpointing: about a third slower, much less memory."""
        self.gradient_checkpointing = enabled


def _downsample_block(
    in_channels: int, out_channels: int, norm: Norm | None, *, has_activation: bool, bias: bool
) -> nn.Sequential:
    """Stride-2 4x4 convolution; as published, all have a bias or none, also if no normalisation follows."""
    layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if has_activation else []
    layers.append(nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=bias))
    if norm is not None:
        layers.append(norm_layer(out_channels, norm))
    return nn.Sequential(*layers)


def _upsample_block(
    in_channels: int, out_channels: int, *, norm: Norm, upsample: Upsample, dropout: float, bias: bool
) -> nn.Sequential:
    """ReLU, 2x upsampling, normalisation and dropout."""
    layers = [
        nn.ReLU(),
        *_upsample_layers(in_channels, out_channels, upsample, bias=bias),
        norm_layer(out_channels, norm),
    ]
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []))


def _upsample_layers(in_channels: int, out_channels: int, upsample: Upsample, *, bias: bool) -> list[nn.Module]:
    """The published 4x4 transposed convolution, or nearest upsampling and a 3x3 convolution."""
    if upsample == "transpose":
        return [nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=bias)]
    return [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=bias)]
