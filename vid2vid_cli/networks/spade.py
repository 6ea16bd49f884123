"""The generator of few-shot vid2vid (Wang et al., NeurIPS 2019, arXiv:1910.12713), on the features of patches.

    x_t = m * h + (1 - m) * warp(x_{t-1}, w)                    eq. 2, as in `composite`

where flow w and mask m are predicted first, and h is synthesised by SPADE layers: modulated by the condition, with
weights that are generated from the reference frames, then by the warped references, then by warp(x_{t-1}, w) where m
trusts it (multi-SPADE). See `spade_layers`. Differences from the paper: the references are training frames that are
aligned by geometry (`conditioning.alignment`) in place of a second flow network; the keys of the attention are features
of their images, not of their conditions; the encoder of the conditions is that of the flow, so it includes the past
frames; image and mask are predicted as patches, as in `fast`; one code of the references serves all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pixel_shuffle

from vid2vid_cli.core.types import FLOW_MULTIPLIER, FrameOutput, FrameReferences, check_shape
from vid2vid_cli.networks.blocks import Norm, PatchEmbed, ResidualBlock, conv_block, init_weights, maybe_checkpoint
from vid2vid_cli.networks.fast import REFERENCE_OCCLUSION_BIAS, icnr_init, upsample2x
from vid2vid_cli.networks.reference_blend import ReferenceBlend
from vid2vid_cli.networks.spade_layers import (
    GeneratedModulation,
    ImageModulation,
    MultiSpadeBlock,
    ReferenceAttention,
    ReferenceEncoder,
)
from vid2vid_cli.networks.style_encoder import StyleEncoder
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple, upsample_patches
from vid2vid_cli.ops.warp import warp


class SpadeGenerator(nn.Module):
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
        blends_references: bool = True,
        style_encoder: StyleEncoder | None = None,
    ) -> None:
        """As `FastGenerator`. `num_res_blocks`: at the lowest resolution, half of them of the flow, half with SPADE.

        `blends_references`: the synthesised image is blended with the aligned references, as in `fast`; False: they
        enter by modulation only.
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
        self.num_levels = num_downsamples - (patch_size.bit_length() - 1)
        self.blends_references = blends_references
        base, levels, top = base_channels, range(self.num_levels), base_channels << self.num_levels
        self.condition_patch_embed = PatchEmbed(condition_channels, base, patch_size)
        self.past_patch_embed = PatchEmbed(3 * past_frames, base, patch_size) if past_frames else None
        self.down = nn.ModuleList([conv_block(base, base, 3, norm)])
        self.down.extend(conv_block(base << level, base << level + 1, 3, norm, stride=2) for level in levels)
        num_flow_blocks = num_res_blocks // 2 if has_flow else 0
        self.flow_middle = nn.Sequential(*(ResidualBlock(top, norm) for _ in range(num_flow_blocks)))
        flow_levels = list(reversed(levels)) if has_flow else []
        self.flow_up = nn.ModuleList(upsample2x(base << level) for level in flow_levels)
        self.flow_merge = nn.ModuleList(conv_block(base << level, base << level, 3, norm) for level in flow_levels)
        self.flow_head = nn.Conv2d(base, 2, 3, 1, 1) if has_flow else None
        self.occlusion_head = nn.Conv2d(base, patch_size**2, 3, 1, 1) if has_flow else None
        self.reference_blend = ReferenceBlend(
            base, patch_size=patch_size, flow_multiplier=flow_multiplier, size_divisor=self.size_divisor
        )
        self.reference_encoder = ReferenceEncoder(base, patch_size, self.num_levels)
        self.attention = ReferenceAttention(top, base)
        self.code = nn.Sequential(nn.Linear(top, base), nn.LayerNorm(base))
        self.last_frame_embed = PatchEmbed(4, base, patch_size, bias=False) if past_frames else None
        num_images = 1 if self.last_frame_embed is None else 2
        self.level_conditions = nn.ModuleList(nn.Conv2d(base << level, base, 1) for level in (*levels, self.num_levels))
        block_levels = [self.num_levels] * (num_res_blocks - num_flow_blocks) + list(reversed(levels))
        self.blocks = nn.ModuleList(
            MultiSpadeBlock(base << level, base, base, num_images, norm) for level in block_levels
        )
        self.block_levels = block_levels
        self.up = nn.ModuleList(upsample2x(base << level) for level in reversed(levels))
        self.image_head = nn.Conv2d(base, 3 * patch_size**2, 3, 1, 1)
        self._init_weights()
        self.style_encoder = style_encoder

    def _init_weights(self) -> None:
        """Initialise all weights; heads of flow and references start from no motion and equal weights."""
        init_weights(self)
        for module in self.modules():
            if isinstance(module, GeneratedModulation | ImageModulation):
                module.init_weights()
        for embed in (self.reference_blend.patch_embed, self.last_frame_embed):
            if embed is not None:  # embeddings that are not normalised: their variance is that of the pixels
                nn.init.normal_(embed.weight, 0.0, embed.weight[0].numel() ** -0.5)
        for head in (self.image_head, self.occlusion_head):
            icnr_init(head, self.patch_size)
        for up in (*self.up, *self.flow_up):
            icnr_init(up.get_submodule("0"), 2)
        self.reference_blend.init_heads()
        if self.flow_head is not None:
            nn.init.zeros_(self.flow_head.weight)
        if self.occlusion_head is not None and self.occlusion_head.bias is not None:
            nn.init.constant_(self.occlusion_head.bias, REFERENCE_OCCLUSION_BIAS)

    def forward(
        self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool, references: FrameReferences
    ) -> FrameOutput:
        """Generate the next frame, (b, 1, c, h, w), (b, p, 3, h, w) -> FrameOutput.

        `is_first_frame`: the past is all zeros, so the frame is the raw image and nothing is warped.
        """
        check_shape("window", window, "b l c h w", l=1, c=self.condition_channels)
        height, width = window.shape[-2:]
        levels = self._encode(window[:, 0], past)
        flow, occlusion = (None, None) if is_first_frame else self._predict_motion(levels, height, width)
        warped = past[0][:, -1].float() if self.past_frames else None
        if flow is not None and warped is not None:
            warped = warp(warped, flow)
        embedded = self.reference_blend.embed(references, height, width)
        combined, code, images = self._attend(levels[-1], embedded.embeddings, references)
        if warped is not None and not (is_first_frame and self.flow_head is not None):
            images.append(self._embed_last_frame(warped, occlusion))
        features = self._synthesise(combined, levels, code, images)
        raw = crop_to(torch.tanh(pixel_shuffle(self.image_head(features).float(), self.patch_size)), height, width)
        weights = synthesised = None
        if self.blends_references:
            synthesised = raw if self.training else None
            raw, weights = self.reference_blend.blend(features, embedded, references, raw)
        if flow is None or occlusion is None or warped is None:
            return FrameOutput(raw, raw, reference_weights=weights, synthesised=synthesised)
        image = torch.lerp(warped, raw, occlusion)
        return FrameOutput(
            image, raw, flow=flow, occlusion=occlusion, reference_weights=weights, synthesised=synthesised
        )

    def _encode(self, condition: Tensor, past: Sequence[Tensor]) -> list[Tensor]:
        """Features of condition and past at each level, the finest first: (b, base << level, h', w')."""
        features = self.condition_patch_embed(pad_to_multiple(condition, self.size_divisor))
        if self.past_patch_embed is not None:
            batch, _, height, width = condition.shape
            check_shape("past", past[0], "b p 3 h w", b=batch, p=self.past_frames, h=height, w=width)
            features = features + self.past_patch_embed(pad_to_multiple(past[0].flatten(1, 2), self.size_divisor))
        levels = []
        for layer in self.down:
            features = maybe_checkpoint(layer, features, enabled=self.gradient_checkpointing)
            levels.append(features)
        return levels

    def _predict_motion(self, levels: Sequence[Tensor], height: int, width: int) -> tuple[Tensor | None, Tensor | None]:
        """Flow (b, 2, h, w) in pixels and mask (b, 1, h, w), or None."""
        if self.flow_head is None or self.occlusion_head is None:
            return None, None
        features = self.flow_middle(levels[-1])
        for up, merge, skip in zip(self.flow_up, self.flow_merge, reversed(levels[:-1]), strict=True):
            features = maybe_checkpoint(merge, up(features) + skip, enabled=self.gradient_checkpointing)
        coarse_flow = self.flow_head(features).float() * self.flow_multiplier
        flow = upsample_patches(coarse_flow, self.patch_size, height, width)
        mask = torch.sigmoid(pixel_shuffle(self.occlusion_head(features).float(), self.patch_size))
        return flow, crop_to(mask, height, width)

    def _attend(
        self, features: Tensor, embeddings: Tensor, references: FrameReferences
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Combined features (b, c, h'', w''), the code (b, k) and [the combined warped references (b, base, h', w')].

        `features`: of the condition at the coarsest level. `embeddings` (b, n, base, h', w'): of the warped references.
        """
        batch, num_references = references.weights.shape
        static = pad_to_multiple(references.static_images.flatten(0, 1), self.size_divisor)
        static = static.view(batch, num_references, *static.shape[1:])
        combined, shares = self.attention(features, self.reference_encoder(static), references.weights)
        code = self.code(combined.mean((2, 3))) / self.code[0].out_features  # small, so that one step changes little
        fine_shares = interpolate(shares, size=embeddings.shape[-2:], mode="bilinear")[:, :, None]
        return combined, code, [(fine_shares.to(embeddings.dtype) * embeddings).sum(1)]

    def _embed_last_frame(self, warped: Tensor, occlusion: Tensor | None) -> Tensor:
        """The warped last frame (b, 3, h, w) where the mask (b, 1, h, w) trusts it, (b, base, h', w')."""
        assert self.last_frame_embed is not None
        trust = torch.ones_like(warped[:, :1]) if occlusion is None else 1 - occlusion
        visible = pad_to_multiple(torch.cat([trust * warped, trust], 1), self.size_divisor)
        return self.last_frame_embed(visible)  # type: ignore[no-any-return]

    def _synthesise(self, features: Tensor, levels: Sequence[Tensor], code: Tensor, images: Sequence[Tensor]) -> Tensor:
        """The SPADE blocks from the coarsest level to the patches, -> (b, base, h', w')."""
        conditions = [torch.relu(layer(level)) for layer, level in zip(self.level_conditions, levels, strict=True)]
        pyramids = [list(images)]
        for _ in range(self.num_levels):
            pyramids.append([avg_pool2d(image, 2) for image in pyramids[-1]])
        ups = iter(self.up)
        previous_level = self.num_levels
        for block, level in zip(self.blocks, self.block_levels, strict=True):
            if level != previous_level:
                features, previous_level = next(ups)(features), level
            modulated = partial(block, condition=conditions[level], code=code, images=pyramids[level])
            features = maybe_checkpoint(modulated, features, enabled=self.gradient_checkpointing)
        return features

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        """Freeze the embeddings of past frames if `without_past`; `finest_only` has no effect at one scale."""
        for embedding in (self.past_patch_embed, self.last_frame_embed):
            if embedding is not None:
                embedding.requires_grad_(not without_past)

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Enable gradient checkpointing: about a third slower, much less memory."""
        self.gradient_checkpointing = enabled
