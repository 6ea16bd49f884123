"""The sequential generator of vid2vid (Wang et al., NeurIPS 2018), coarse to fine.

    x_t = m * h + (1 - m) * warp(x_{t-1}, w)                    eq. 4
    h = m_F * h_F + (1 - m_F) * h_B                             eq. 9, with a foreground branch

Each spatial scale predicts h (raw image), w (flow) and m (soft occlusion mask) from the last conditions, the last
generated frames and the features of the next coarser scale. m_F is computed from the condition.

Without past and flow it is the generator of pix2pixHD (Wang et al., CVPR 2018): the coarsest scale is the global
generator, each finer one a local enhancer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from vid2vid_cli.core.types import FLOW_MULTIPLIER, FrameOutput, check_shape
from vid2vid_cli.networks.blocks import ConditionRange, Norm, Upsample
from vid2vid_cli.networks.scale_network import ScaleConfig, ScaleFeatures, ScaleNetwork, ScaleOutput
from vid2vid_cli.networks.style_encoder import StyleEncoder
from vid2vid_cli.ops.resample import crop_to, downsample2x, pad_to_multiple
from vid2vid_cli.ops.warp import warp


class CompositeGenerator(nn.Module):
    """One call generates one frame. The caller keeps the last `past_frames` frames of each scale."""

    def __init__(
        self,
        condition_channels: int,
        *,
        num_scales: int = 1,
        past_frames: int = 2,
        has_flow: bool = True,
        flow_multiplier: float = FLOW_MULTIPLIER,
        base_channels: int = 64,
        num_downsamples: int = 3,
        num_res_blocks: int = 9,
        num_local_res_blocks: int = 3,
        kernel_size: int = 7,
        norm: Norm = "instance",
        upsample: Upsample = "resize",
        foreground_indices: Sequence[int] = (),
        foreground_after_warp: bool = False,
        condition_range: ConditionRange = (-1, 1),
        out_channels: int = 3,
        style_encoder: StyleEncoder | None = None,
    ) -> None:
        """`foreground_indices`: condition channels of the foreground classes.

        `foreground_after_warp`: the foreground is composited over warped pixels too, as in the published code; False:
        eq. 9. `condition_range`: value range of the networks' inputs; (0, 1) maps each condition x to (x + 1) / 2.
        Converting the weights instead would lose two digits, since most values of one-hot labels are -1.
        `out_channels`: 3 for frames. `style_encoder`: used by the training step, not by `forward`.
        """
        super().__init__()
        self.num_scales = num_scales
        self.past_frames = past_frames
        self.window_size = past_frames + 1
        self.flow_multiplier = flow_multiplier
        self.condition_channels = condition_channels
        self.foreground_indices = tuple(foreground_indices)
        self.foreground_after_warp = foreground_after_warp
        self.condition_range = condition_range
        self.out_channels = out_channels
        self.finest_only = False
        """Whether only the finest scale is trained."""
        foreground_base_channels = (
            (base_channels // 2 if num_downsamples > 2 else base_channels) if foreground_indices else 0
        )
        num_decoder_blocks = num_res_blocks // 2
        coarsest_config = ScaleConfig(
            condition_channels=condition_channels,
            past_frames=past_frames,
            base_channels=base_channels,
            num_downsamples=num_downsamples,
            num_encoder_blocks=num_res_blocks - num_decoder_blocks,
            num_decoder_blocks=num_decoder_blocks,
            kernel_size=kernel_size,
            norm=norm,
            upsample=upsample,
            has_flow=has_flow,
            foreground_base_channels=foreground_base_channels,
            out_channels=out_channels,
        )
        self.scale_networks = nn.ModuleList([ScaleNetwork(coarsest_config)])
        for scale in range(1, num_scales):
            local_config = replace(
                coarsest_config,
                base_channels=base_channels >> scale,
                num_downsamples=1,
                num_encoder_blocks=0,
                num_decoder_blocks=num_local_res_blocks,
                foreground_base_channels=foreground_base_channels >> scale,
            )
            self.scale_networks.append(ScaleNetwork(local_config))
        self.size_divisor = coarsest_config.size_divisor << (num_scales - 1)
        """Frames are padded to multiples of this number of pixels."""
        self.style_encoder = style_encoder

    def forward(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
        """Generate the next frame, (b, l, c, h, w), (b, p, k, h, w) per scale, finest first -> FrameOutput.

        Each coarser scale is half the size of the finer, rounded up. `is_first_frame`: the past is all zeros, so the
        frame is the raw image and nothing is warped.
        """
        sizes = check_shape("window", window, "b l c h w", l=self.window_size, c=self.condition_channels)
        pyramid = [window.flatten(1, 2)]
        for _ in range(1, self.num_scales):
            pyramid.append(downsample2x(pyramid[-1]) if self.condition_channels else pyramid[-1][..., ::2, ::2])
        features: ScaleFeatures | None = None
        outputs: list[FrameOutput] = []
        for scale in range(self.num_scales):
            level = self.num_scales - 1 - scale
            height, width = pyramid[level].shape[-2:]
            if self.past_frames:
                expected_sizes = {
                    "b": sizes["b"],
                    "p": self.past_frames,
                    "k": self.out_channels,
                    "h": height,
                    "w": width,
                }
                check_shape("past", past[level], "b p k h w", **expected_sizes)
            divisor = self.size_divisor >> level
            padded_window = pad_to_multiple(pyramid[level], divisor) if self.condition_channels else pyramid[level]
            if self.condition_range == (0, 1):
                padded_window = (padded_window + 1).mul_(0.5)
            frames = past[level] if self.past_frames else pyramid[level][:, None, :0]
            padded_past = pad_to_multiple(frames.flatten(1, 2), divisor) if self.past_frames else padded_window[:, :0]
            is_frozen = self.finest_only and level > 0
            with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen):
                scale_output = self.scale_networks[scale](
                    padded_window, padded_past, features, skip_flow=is_first_frame
                )
                outputs.append(self._blend(scale_output, pyramid[level], frames, scale_factor=1 << scale))
            features = scale_output.features
        finest_output = outputs.pop()
        return replace(finest_output, coarse_images=tuple(output.image for output in reversed(outputs)))

    def _blend(self, scale_output: ScaleOutput, window: Tensor, past: Tensor, *, scale_factor: int) -> FrameOutput:
        """The frame of one scale, `scale_factor` times finer than the coarsest, from the past of that scale."""
        height, width = window.shape[-2:]
        raw = background = crop_to(scale_output.raw, height, width)
        foreground = foreground_mask = None
        if scale_output.foreground is not None:
            foreground = crop_to(scale_output.foreground, height, width)
            foreground_mask = self._foreground_mask(window)
            raw = torch.lerp(background, foreground, foreground_mask)
        if scale_output.flow is None or scale_output.occlusion is None:
            return FrameOutput(raw, raw)
        flow = crop_to(scale_output.flow * (self.flow_multiplier * scale_factor), height, width)
        occlusion = crop_to(scale_output.occlusion, height, width)
        image = warp(past[:, -1].float(), flow)
        if self.foreground_after_warp and foreground is not None and foreground_mask is not None:
            # Blend `background`, not `raw`: at coarser scales the mask is soft and would apply twice.
            image = torch.lerp(torch.lerp(image, background, occlusion), foreground, foreground_mask)
        else:
            image = torch.lerp(image, raw, occlusion)
        return FrameOutput(image, raw, flow=flow, occlusion=occlusion)

    def _foreground_mask(self, window: Tensor) -> Tensor:
        """(b, l * c, h, w) -> (b, 1, h, w) in [0, 1]; soft at coarser scales, where conditions are averaged."""
        current = window[:, -self.condition_channels :]
        class_masks = (current[:, list(self.foreground_indices)].float() + 1) / 2
        return class_masks.sum(1, keepdim=True).clamp(0, 1)

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        """Select the trainable weights.

        `finest_only`: coarser scales are frozen and run without gradients. `without_past`: encoders of past frames are
        frozen, because their input is all zeros and their gradients are rounding errors.
        """
        self.finest_only = finest_only and self.num_scales > 1
        for index, network in enumerate(self.scale_networks):
            assert isinstance(network, ScaleNetwork)
            is_trainable = not self.finest_only or index == self.num_scales - 1
            network.requires_grad_(is_trainable)
            if network.past_encoder is not None:
                network.past_encoder.requires_grad_(is_trainable and not without_past)

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Enable gradient checkpointing: about a third slower, much less memory."""
        for network in self.scale_networks:
            assert isinstance(network, ScaleNetwork)
            network.gradient_checkpointing = enabled
