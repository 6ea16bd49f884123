"""A sequential generator as in vid2vid (Wang et al., NeurIPS 2018), designed for fast CPU inference.

    x_t = m * h + (1 - m) * warp(x_{t-1}, w)                    eq. 4, as in `composite`

CPU time is dominated by memory traffic, mostly by full-resolution feature maps. This network therefore has none: the
current condition and the past frames enter as patch embeddings, one convolution each, and one narrow U-Net with skips
(Ronneberger et al., MICCAI 2015) replaces the encoders and decoders of `composite`. Image and mask are predicted as
patches by sub-pixel convolution (Shi et al., CVPR 2016), flow, which is smooth, at the resolution of the patches.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vid2vid_cli.core.types import FLOW_MULTIPLIER, FrameOutput, FrameReferences, check_shape
from vid2vid_cli.networks.blocks import (
    Norm,
    PatchEmbed,
    ResidualBlock,
    conv_block,
    init_weights,
    maybe_checkpoint,
    norm_layer,
)
from vid2vid_cli.networks.reference_blend import ReferenceBlend
from vid2vid_cli.networks.style_encoder import StyleEncoder
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple, patches_to_pixels, upsample_patches
from vid2vid_cli.ops.warp import warp

REFERENCE_OCCLUSION_BIAS = 3.0
"""Initial logit of the mask m with references: 95 % of the raw image."""


class FastGenerator(nn.Module):
    """One call generates one frame, at one scale. The caller keeps the last `past_frames` frames."""

    def __init__(
        self,
        condition_channels: int,
        *,
        past_frames: int = 1,
        has_flow: bool = True,
        flow_multiplier: float = FLOW_MULTIPLIER,
        patch_size: int = 4,
        base_channels: int = 32,
        num_downsamples: int = 4,
        num_res_blocks: int = 4,
        norm: Norm = "instance",
        num_references: int = 0,
        style_encoder: StyleEncoder | None = None,
    ) -> None:
        """`patch_size`: a power of two; log2(patch_size) of the `num_downsamples` downsamplings are the patches.

        `base_channels`: channels of a patch embedding, doubled at each further downsampling. `num_res_blocks`: at the
        lowest resolution. `num_references`: reference frames per frame in training; 0: none, and `forward` has no
        `references`. `style_encoder`: used by the training step, not by `forward`.
        """
        super().__init__()
        self.num_scales = 1
        self.past_frames = past_frames
        self.window_size = 1
        self.flow_multiplier = flow_multiplier
        self.condition_channels = condition_channels
        self.patch_size = patch_size
        self.size_divisor = 1 << num_downsamples
        """Frames are padded to multiples of this number of pixels."""
        self.gradient_checkpointing = False
        levels = range(num_downsamples - (patch_size.bit_length() - 1))
        self.condition_patch_embed = PatchEmbed(condition_channels, base_channels, patch_size)
        self.past_patch_embed = PatchEmbed(3 * past_frames, base_channels, patch_size) if past_frames else None
        input_layers = [
            norm_layer(base_channels, norm),
            nn.ReLU(inplace=True),
            *conv_block(base_channels, base_channels, 3, norm),
        ]
        self.down = nn.ModuleList([nn.Sequential(*input_layers)])
        self.down.extend(
            conv_block(base_channels << level, base_channels << level + 1, 3, norm, stride=2) for level in levels
        )
        self.middle = nn.Sequential(*(ResidualBlock(base_channels << len(levels), norm) for _ in range(num_res_blocks)))
        self.up = nn.ModuleList(upsample2x(base_channels << level) for level in reversed(levels))
        self.merge = nn.ModuleList(
            conv_block(base_channels << level, base_channels << level, 3, norm) for level in reversed(levels)
        )
        self.image_head = nn.Conv2d(base_channels, 3 * patch_size**2, 3, 1, 1)
        self.flow_head = nn.Conv2d(base_channels, 2, 3, 1, 1) if has_flow else None
        self.occlusion_head = nn.Conv2d(base_channels, patch_size**2, 3, 1, 1) if has_flow else None
        self.reference_blend = (
            ReferenceBlend(
                base_channels,
                patch_size=patch_size,
                flow_multiplier=flow_multiplier,
                size_divisor=self.size_divisor,
            )
            if num_references
            else None
        )
        self._init_weights()
        self.style_encoder = style_encoder

    def _init_weights(self) -> None:
        """Initialise all weights; heads of flow and references start from no motion and equal weights."""
        init_weights(self)
        for head in (self.image_head, self.occlusion_head):
            icnr_init(head, self.patch_size)
        for up in self.up:
            icnr_init(up.get_submodule("0"), 2)
        if self.flow_head is not None:
            # The initial flow is zero instead of about 20 random pixels.
            nn.init.zeros_(self.flow_head.weight)
        if self.reference_blend is not None:
            self.reference_blend.init_heads()
            if self.occlusion_head is not None and self.occlusion_head.bias is not None:
                # A blend of references is better than the past, whose motion is not known yet: fast limbs leave traces.
                nn.init.constant_(self.occlusion_head.bias, REFERENCE_OCCLUSION_BIAS)

    def forward(
        self,
        window: Tensor,
        past: Sequence[Tensor],
        is_first_frame: bool = False,
        references: FrameReferences | None = None,
    ) -> FrameOutput:
        """Generate the next frame, (b, 1, c, h, w), (b, p, 3, h, w) -> FrameOutput.

        `is_first_frame`: the past is all zeros, so the frame is the raw image and nothing is warped. `references`: of
        a generator with references; the raw image is then blended with them.
        """
        sizes = check_shape("window", window, "b l c h w", l=1, c=self.condition_channels)
        height, width = window.shape[-2:]
        features = self.condition_patch_embed(pad_to_multiple(window[:, 0], self.size_divisor))
        if self.past_patch_embed is not None:
            check_shape("past", past[0], "b p 3 h w", b=sizes["b"], p=self.past_frames, h=height, w=width)
            features = features + self.past_patch_embed(pad_to_multiple(past[0].flatten(1, 2), self.size_divisor))
        embedded = None
        if self.reference_blend is not None and references is not None:
            embedded = self.reference_blend.embed(references, height, width)
            features = features + embedded.mean
        features = self._forward_features(features)
        raw = crop_to(torch.tanh(patches_to_pixels(self.image_head(features).float(), self.patch_size)), height, width)
        weights = synthesised = None
        if self.reference_blend is not None and references is not None and embedded is not None:
            synthesised = raw if self.training else None
            raw, weights = self.reference_blend.blend(features, embedded, references, raw)
        if self.flow_head is None or self.occlusion_head is None or is_first_frame:
            return FrameOutput(raw, raw, reference_weights=weights, synthesised=synthesised)
        coarse_flow = self.flow_head(features).float() * self.flow_multiplier
        flow = upsample_patches(coarse_flow, self.patch_size, height, width)
        mask = torch.sigmoid(patches_to_pixels(self.occlusion_head(features).float(), self.patch_size))
        occlusion = crop_to(mask, height, width)
        image = torch.lerp(warp(past[0][:, -1].float(), flow), raw, occlusion)
        return FrameOutput(
            image, raw, flow=flow, occlusion=occlusion, reference_weights=weights, synthesised=synthesised
        )

    def _forward_features(self, patches: Tensor) -> Tensor:
        """The U-Net, (b, base_channels, h', w') -> the same, one cell per patch."""
        features, skips = patches, []
        for layer in self.down:
            features = maybe_checkpoint(layer, features, enabled=self.gradient_checkpointing)
            skips.append(features)
        skips.pop()
        for layer in self.middle:
            features = maybe_checkpoint(layer, features, enabled=self.gradient_checkpointing)
        for up, merge in zip(self.up, self.merge, strict=True):
            features = maybe_checkpoint(merge, up(features) + skips.pop(), enabled=self.gradient_checkpointing)
        return features

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        """Freeze the embedding of past frames if `without_past`; `finest_only` has no effect at one scale."""
        if self.past_patch_embed is not None:
            self.past_patch_embed.requires_grad_(not without_past)

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Enable gradient checkpointing: about a third slower, much less memory."""
        self.gradient_checkpointing = enabled


def upsample2x(out_channels: int) -> nn.Sequential:
    """Sub-pixel upsampling, (b, 2 * out_channels, h, w) -> (b, out_channels, 2 h, 2 w)."""
    return nn.Sequential(nn.Conv2d(2 * out_channels, 4 * out_channels, 1), nn.PixelShuffle(2))


@torch.no_grad()
def icnr_init(layer: nn.Module | None, patch_size: int) -> None:
    """Initialise all pixels of a patch alike, which avoids checkerboard artefacts (Aitken et al., arXiv:1707.02937)."""
    if isinstance(layer, nn.Conv2d):
        layer.weight.copy_(layer.weight[:: patch_size**2].repeat_interleave(patch_size**2, 0))
