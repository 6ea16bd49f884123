"""The frame-wise generator of CycleGAN (Zhu et al., ICCV 2017, section 7.1): convolutions around residual blocks.

With a kernel size of 7, two downsamplings, 64 channels and 9 (or 6, for 128 pixels) residual blocks it is the published
network: c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vid2vid_cli.core.types import FrameOutput, check_shape
from vid2vid_cli.networks.blocks import (
    Norm,
    Upsample,
    build_decoder,
    build_encoder,
    init_weights,
    maybe_checkpoint,
    output_conv,
)
from vid2vid_cli.networks.style_encoder import StyleEncoder
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple


class ResNetGenerator(nn.Module):
    """A frame-wise generator: a sequence model with a window of one and no past.

    Sides that are not a multiple of 2^num_downsamples are padded and cropped again.
    """

    def __init__(
        self,
        condition_channels: int,
        *,
        base_channels: int = 64,
        num_downsamples: int = 2,
        num_res_blocks: int = 9,
        kernel_size: int = 7,
        norm: Norm = "instance_no_affine",
        upsample: Upsample = "transpose",
        style_encoder: StyleEncoder | None = None,
    ) -> None:
        """`style_encoder`: used by the training step, not by `forward`."""
        super().__init__()
        self.num_scales = 1
        self.past_frames = 0
        self.window_size = 1
        self.condition_channels = condition_channels
        self.gradient_checkpointing = False
        self.size_multiple = 1 << num_downsamples
        self.encoder = build_encoder(
            condition_channels,
            base_channels=base_channels,
            num_downsamples=num_downsamples,
            num_res_blocks=num_res_blocks,
            kernel_size=kernel_size,
            norm=norm,
        )
        self.decoder = build_decoder(
            base_channels=base_channels, num_downsamples=num_downsamples, num_res_blocks=0, norm=norm, upsample=upsample
        )
        self.head = output_conv(base_channels, 3, kernel_size)
        init_weights(self)
        self.style_encoder = style_encoder

    def forward(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
        """Generate a frame from its condition, (b, 1, c, h, w) -> FrameOutput without flow; `past` is ignored."""
        check_shape("window", window, "b l c h w", l=1, c=self.condition_channels)
        height, width = window.shape[-2:]
        features = pad_to_multiple(window[:, 0], self.size_multiple)
        for layer in (*self.encoder, *self.decoder):
            features = maybe_checkpoint(layer, features, enabled=self.gradient_checkpointing)
        raw = torch.tanh(crop_to(self.head(features), height, width).float())
        return FrameOutput(raw, raw)

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        """No effect: there is one scale and no past."""

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Enable gradient checkpointing: about a third slower, much less memory."""
        self.gradient_checkpointing = enabled
