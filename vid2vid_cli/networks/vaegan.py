"""VAE-GAN (Larsen et al., ICML 2016): an encoder of frames to a code, a decoder, and a discriminator with features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.core.types import FrameOutput, check_shape
from vid2vid_cli.networks.blocks import Norm, Upsample, init_weights, maybe_checkpoint, norm_layer
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple

GRID = 8
"""Cells per side between the convolutions and the linear layers: those of 64 pixels after three halvings. Other sizes
are resampled to them, so that the linear layers do not grow with the frame."""
MAX_CHANNEL_MULTIPLIER = 4
"""Largest number of channels, as a multiple of `base_channels`: 64 to 256, as published."""
HIDDEN_MULTIPLIER = 32
"""Channels of the encoder's hidden linear layer, as a multiple of `base_channels`: 2048, as published."""
KERNEL_SIZE = 5


def _conv(in_channels: int, out_channels: int, norm: Norm, stride: int = 2) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, KERNEL_SIZE, stride, KERNEL_SIZE // 2)
    return nn.Sequential(conv, norm_layer(out_channels, norm), nn.ReLU())


class VaeGanEncoder(nn.Module):
    """Stride-2 convolutions, a hidden linear layer, and the mean and logarithmic variance of the code."""

    def __init__(self, *, base_channels: int, num_downsamples: int, code_size: int, norm: Norm) -> None:
        super().__init__()
        channels = _level_channels(base_channels, num_downsamples)
        self.convs = nn.ModuleList(_conv(i, o, norm) for i, o in pairwise([3, *channels]))
        num_hidden = HIDDEN_MULTIPLIER * base_channels
        # A normalisation over the batch would make the code of a frame depend on the other frames.
        self.hidden = nn.Sequential(nn.Linear(channels[-1] * GRID**2, num_hidden), nn.LayerNorm(num_hidden), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(num_hidden, code_size), nn.Linear(num_hidden, code_size)
        init_weights(self)


class VaeGanDecoder(nn.Module):
    """A linear layer to a grid of 8 x 8 cells, stride-2 upsampling convolutions, and a convolution to the frame."""

    def __init__(
        self, *, base_channels: int, num_downsamples: int, code_size: int, norm: Norm, upsample: Upsample
    ) -> None:
        super().__init__()
        levels = _level_channels(base_channels, num_downsamples)
        channels = [levels[-1], *reversed(levels)][: num_downsamples + 1]
        channels[-1] = max(4, base_channels // 2)
        self.grid_channels = levels[-1]
        self.grid = nn.Linear(code_size, self.grid_channels * GRID**2)
        self.grid_norm = nn.Sequential(norm_layer(self.grid_channels, norm), nn.ReLU())
        self.convs = nn.ModuleList(_upsample(i, o, norm, upsample) for i, o in pairwise(channels))
        self.head = nn.Conv2d(channels[-1], 3, KERNEL_SIZE, padding=KERNEL_SIZE // 2)
        init_weights(self)


class VaeGanGenerator(nn.Module):
    """Encoder and decoder. A frame-wise generator whose condition is the frame itself.

    Sides that are not a multiple of 2^num_downsamples are padded and cropped again.
    """

    def __init__(
        self, *, base_channels: int, num_downsamples: int, code_size: int, norm: Norm, upsample: Upsample
    ) -> None:
        super().__init__()
        self.num_scales, self.past_frames, self.window_size = 1, 0, 1
        self.code_size, self.size_multiple = code_size, 1 << num_downsamples
        self.gradient_checkpointing = False
        self.style_encoder: None = None
        sizes = {"base_channels": base_channels, "num_downsamples": num_downsamples, "code_size": code_size}
        self.encoder = VaeGanEncoder(**sizes, norm=norm)
        self.decoder = VaeGanDecoder(**sizes, norm=norm, upsample=upsample)

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, h, w) -> mean and log(variance) of the code, (n, code_size) twice."""
        features = pad_to_multiple(frames, self.size_multiple)
        for layer in self.encoder.convs:
            features = maybe_checkpoint(layer, features, enabled=self.gradient_checkpointing)
        hidden = self.encoder.hidden(F.adaptive_avg_pool2d(features, GRID).flatten(1))
        return self.encoder.mean(hidden).float(), self.encoder.log_variance(hidden).float()

    def decode(self, codes: Tensor, height: int, width: int) -> Tensor:
        """Codes (n, code_size) -> frames (n, 3, height, width) in [-1, 1]."""
        features = self.decoder.grid(codes).view(len(codes), self.decoder.grid_channels, GRID, GRID)
        features = self.decoder.grid_norm(features)
        cells = (-(-height // self.size_multiple), -(-width // self.size_multiple))
        if cells != (GRID, GRID):
            features = F.interpolate(features, cells, mode="bilinear", align_corners=True)
        for layer in self.decoder.convs:
            features = maybe_checkpoint(layer, features, enabled=self.gradient_checkpointing)
        return torch.tanh(crop_to(self.decoder.head(features), height, width).float())

    def forward(
        self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False, offset: Tensor | None = None
    ) -> FrameOutput:
        """Reconstruct a frame (b, 1, 3, h, w) from the mean of its code, to which `offset` (b, code_size) is added."""
        sizes = check_shape("window", window, "b l c h w", l=1, c=3)
        code, _ = self.encode(window[:, 0])
        image = self.decode(code if offset is None else code + offset, sizes["h"], sizes["w"])
        return FrameOutput(image, image)

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        """No effect: there is one scale and no past."""

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Enable gradient checkpointing: about a third slower, much less memory."""
        self.gradient_checkpointing = enabled


class VaeGanDiscriminator(nn.Module):
    """Convolutions, whose last features measure similarity, and linear layers to one logit per frame."""

    def __init__(self, *, base_channels: int, num_downsamples: int) -> None:
        """`num_downsamples`: as in the generator. 32 channels are published."""
        super().__init__()
        channels = [base_channels, *(base_channels * min(4 << level, 8) for level in range(num_downsamples))]
        # Group norm, because instance norm removes the brightness of a frame from the features.
        self.convs = nn.Sequential(
            _conv(3, channels[0], "none", stride=1), *(_conv(i, o, "group") for i, o in pairwise(channels))
        )
        num_hidden = 16 * base_channels
        self.logit = nn.Sequential(
            nn.Linear(channels[-1] * GRID**2, num_hidden),
            nn.LayerNorm(num_hidden),
            nn.ReLU(),
            nn.Linear(num_hidden, 1),
        )
        init_weights(self)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, h, w) -> features (n, c, h', w'), logits (n, 1)."""
        features = self.convs(frames)
        logits = self.logit(F.adaptive_avg_pool2d(features, GRID).flatten(1))
        return features.float(), logits.float()


def _level_channels(base_channels: int, num_downsamples: int) -> list[int]:
    return [base_channels * min(1 << level, MAX_CHANNEL_MULTIPLIER) for level in range(num_downsamples)]


def _upsample(in_channels: int, out_channels: int, norm: Norm, upsample: Upsample) -> nn.Sequential:
    """The published 5x5 transposed convolution, or nearest upsampling and a 5x5 convolution."""
    if upsample == "transpose":
        conv = nn.ConvTranspose2d(in_channels, out_channels, KERNEL_SIZE, 2, KERNEL_SIZE // 2, output_padding=1)
        return nn.Sequential(conv, norm_layer(out_channels, norm), nn.ReLU())
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), _conv(in_channels, out_channels, norm, stride=1))
