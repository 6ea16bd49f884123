"""Fader Networks (Lample et al., NIPS 2017): an autoencoder whose decoder is conditioned on attributes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vid2vid_cli.core.types import FrameOutput, check_shape
from vid2vid_cli.networks.blocks import Norm, init_weights, maybe_checkpoint, norm_layer
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple

MAX_CHANNEL_MULTIPLIER = 32
"""Largest number of channels, as a multiple of `base_channels`: 16 to 512, as published."""


class FaderGenerator(nn.Module):
    """Encoder and decoder. A frame-wise generator whose condition is the frame itself.

    Stride-2 convolutions reduce the frame to the code; the attributes are concatenated with the input of each decoder
    level. Sides that are not a multiple of 2^num_downsamples are padded and cropped again.
    """

    def __init__(self, *, base_channels: int, num_downsamples: int, num_attributes: int, norm: Norm) -> None:
        super().__init__()
        self.num_scales, self.past_frames, self.window_size = 1, 0, 1
        self.num_attributes = num_attributes
        self.size_multiple = 1 << num_downsamples
        self.gradient_checkpointing = False
        self.style_encoder: None = None
        channels = [base_channels * min(1 << level, MAX_CHANNEL_MULTIPLIER) for level in range(num_downsamples)]
        self.code_channels = channels[-1]
        self.encoder = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 4, 2, 1), norm_layer(o, norm), nn.LeakyReLU(0.2))
            for i, o in pairwise([3, *channels])
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(i + num_attributes, o, 4, 2, 1),
                *((norm_layer(o, norm), nn.ReLU()) if level else ()),
            )
            for level, (o, i) in reversed(list(enumerate(pairwise([3, *channels]))))
        )
        init_weights(self)

    def encode(self, frames: Tensor) -> Tensor:
        """(n, 3, h, w) -> code (n, code_channels, ceil(h / 2^num_downsamples), ceil(w / 2^num_downsamples))."""
        features = pad_to_multiple(frames, self.size_multiple)
        for layer in self.encoder:
            features = maybe_checkpoint(layer, features, enabled=self.gradient_checkpointing)
        return features

    def decode(self, code: Tensor, attributes: Tensor) -> Tensor:
        """A code and attributes (n, num_attributes) -> (n, 3, h', w') in [-1, 1]; h' and w' are padded."""
        features = code
        for layer in self.decoder:
            maps = attributes[:, :, None, None].expand(-1, -1, *features.shape[-2:])
            features = torch.cat([features, maps.to(features.dtype)], 1)
            features = maybe_checkpoint(layer, features, enabled=self.gradient_checkpointing)
        return torch.tanh(features.float())

    def forward(
        self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False, attributes: Tensor | None = None
    ) -> FrameOutput:
        """A frame (b, 1, 3, h, w) with attributes (b, num_attributes); None: zeros, the middle of their ranges."""
        sizes = check_shape("window", window, "b l c h w", l=1, c=3)
        if attributes is None:
            attributes = window.new_zeros(len(window), self.num_attributes)
        image = crop_to(self.decode(self.encode(window[:, 0]), attributes), sizes["h"], sizes["w"])
        return FrameOutput(image, image)

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        """No effect: there is one scale and no past."""

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Enable gradient checkpointing: about a third slower, much less memory."""
        self.gradient_checkpointing = enabled


class AttributeClassifier(nn.Module):
    """Predicts the attributes from a code: a convolution, the mean over all cells, and two linear layers."""

    def __init__(self, code_channels: int, num_attributes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(code_channels, code_channels, 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(code_channels, code_channels),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3),
            nn.Linear(code_channels, num_attributes),
        )
        init_weights(self)

    def forward(self, code: Tensor) -> Tensor:
        """(n, code_channels, h, w) -> logits (n, num_attributes)."""
        logits: Tensor = self.layers(code)
        return logits.float()
