"""One spatial scale of the sequential generator (vid2vid, Wang et al., NeurIPS 2018, sections 3 and 4).

The outputs of two encoders, one of the conditions and one of the last frames, are summed. An image branch and a flow
branch follow; flow and occlusion mask share all layers but the last. The input of the foreground branch are the
conditions alone. A finer scale has fewer blocks, and each branch adds the features of the coarser scale to its input.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vid2vid_cli.networks.blocks import (
    Norm,
    Upsample,
    build_decoder,
    build_encoder,
    init_weights,
    maybe_checkpoint,
    output_conv,
)


@dataclass(frozen=True, kw_only=True)
class ScaleConfig:
    """Architecture of one scale."""

    condition_channels: int
    """Condition channels per frame; 0: the past frames are the only input."""
    past_frames: int
    base_channels: int
    num_downsamples: int
    num_encoder_blocks: int
    """Residual blocks of each encoder."""
    num_decoder_blocks: int
    """Residual blocks of each branch."""
    kernel_size: int
    norm: Norm
    upsample: Upsample
    has_flow: bool
    foreground_base_channels: int = 0
    """Base channels of the foreground branch; 0: no branch."""
    out_channels: int = 3
    """Channels of a frame."""

    @property
    def size_divisor(self) -> int:
        """Input sides must be multiples of this number of pixels."""
        return 1 << self.num_downsamples


@dataclass(frozen=True)
class ScaleFeatures:
    """Input features of the output convolutions, (b, base_channels, h, w); inputs of the next finer scale."""

    image: Tensor
    flow: Tensor | None
    foreground: Tensor | None


@dataclass(frozen=True, kw_only=True)
class ScaleOutput:
    """Raw outputs of one scale, before compositing."""

    raw: Tensor
    """(b, 3, h, w) in [-1, 1]"""
    flow: Tensor | None
    """(b, 2, h, w) output of the flow head, before multiplication with `flow_multiplier`."""
    occlusion: Tensor | None
    """(b, 1, h, w) in [0, 1]"""
    foreground: Tensor | None
    """(b, 3, h, w) in [-1, 1]"""
    features: ScaleFeatures


class ScaleNetwork(nn.Module):
    """The networks of one spatial scale; (h, w) must be multiples of `config.size_divisor`."""

    def __init__(self, config: ScaleConfig) -> None:
        super().__init__()
        self.config = config
        self.gradient_checkpointing = False
        window_channels = config.condition_channels * (config.past_frames + 1)

        def make_encoder(in_channels: int, encoder_channels: int) -> nn.Sequential:
            return build_encoder(
                in_channels,
                base_channels=encoder_channels,
                num_downsamples=config.num_downsamples,
                num_res_blocks=config.num_encoder_blocks,
                kernel_size=config.kernel_size,
                norm=config.norm,
            )

        def make_decoder(decoder_channels: int, num_res_blocks: int = config.num_decoder_blocks) -> nn.Sequential:
            return build_decoder(
                base_channels=decoder_channels,
                num_downsamples=config.num_downsamples,
                num_res_blocks=num_res_blocks,
                norm=config.norm,
                upsample=config.upsample,
            )

        base_channels, kernel_size = config.base_channels, config.kernel_size
        self.condition_encoder = make_encoder(window_channels, base_channels) if window_channels else None
        self.past_encoder = (
            make_encoder(config.out_channels * config.past_frames, base_channels) if config.past_frames else None
        )
        self.image_decoder = make_decoder(base_channels)
        self.image_head = output_conv(base_channels, config.out_channels, kernel_size)
        self.flow_decoder = make_decoder(base_channels) if config.has_flow else None
        self.flow_head = output_conv(base_channels, 2, kernel_size) if config.has_flow else None
        self.occlusion_head = output_conv(base_channels, 1, kernel_size) if config.has_flow else None
        self.foreground_encoder = (
            make_encoder(window_channels, config.foreground_base_channels) if config.foreground_base_channels else None
        )
        self.foreground_decoder = (
            make_decoder(config.foreground_base_channels) if config.foreground_base_channels else None
        )
        self.foreground_head = (
            output_conv(config.foreground_base_channels, config.out_channels, kernel_size)
            if config.foreground_base_channels
            else None
        )
        init_weights(self)
        if self.flow_head is not None:
            # The initial flow is zero instead of about 20 random pixels.
            nn.init.zeros_(self.flow_head.weight)

    def forward(
        self, window: Tensor, past: Tensor, coarser: ScaleFeatures | None, *, skip_flow: bool = False
    ) -> ScaleOutput:
        """(b, l * c, h, w), (b, p * 3, h, w), features of the next coarser scale -> ScaleOutput.

        `skip_flow`: there is no past, so flow and mask are not computed.
        """
        encoded = [
            self._apply_layers(layers, x)
            for layers, x in ((self.condition_encoder, window), (self.past_encoder, past))
            if layers is not None
        ]
        features = encoded[0] if len(encoded) == 1 else encoded[0] + encoded[1]
        image_features = self._apply_layers(
            self.image_decoder, _add_coarser(features, coarser.image if coarser else None)
        )
        raw = torch.tanh(self.image_head(image_features).float())
        flow_features = flow = occlusion = None
        if self.flow_decoder is not None and not skip_flow:
            assert self.flow_head is not None
            assert self.occlusion_head is not None
            flow_features = self._apply_layers(
                self.flow_decoder, _add_coarser(features, coarser.flow if coarser else None)
            )
            flow = self.flow_head(flow_features).float()
            occlusion = torch.sigmoid(self.occlusion_head(flow_features).float())
        foreground_features = foreground = None
        if self.foreground_encoder is not None:
            assert self.foreground_decoder is not None
            assert self.foreground_head is not None
            encoded_foreground = self._apply_layers(self.foreground_encoder, window)
            foreground_features = self._apply_layers(
                self.foreground_decoder, _add_coarser(encoded_foreground, coarser.foreground if coarser else None)
            )
            foreground = torch.tanh(self.foreground_head(foreground_features).float())
        return ScaleOutput(
            raw=raw,
            flow=flow,
            occlusion=occlusion,
            foreground=foreground,
            features=ScaleFeatures(image_features, flow_features, foreground_features),
        )

    def _apply_layers(self, layers: nn.Sequential, x: Tensor) -> Tensor:
        """Apply the layers, each with gradient checkpointing if it is enabled."""
        for layer in layers:
            x = maybe_checkpoint(layer, x, enabled=self.gradient_checkpointing)
        return x


def _add_coarser(features: Tensor, coarser: Tensor | None) -> Tensor:
    return features if coarser is None else features + coarser
