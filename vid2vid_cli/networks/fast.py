"""The sequential generator of vid2vid (Wang et al., NeurIPS 2018), built for processors.

    x_t = m * h + (1 - m) * warp(x_{t-1}, w)                    eq. 4, as in `composite`

What costs time on a processor is memory more than arithmetic, and most of all pictures with many channels. So no
features have the size of the picture, and of the conditions only the current one is seen: what moved, the last frame
tells. Both enter as patches of a few pixels, one convolution each, and one narrow U with skips (Ronneberger et al.,
MICCAI 2015), instead of four encoders and decoders, says all that is to be said: image and mask as patches again, by
sub-pixel convolution (Shi et al., CVPR 2016), and flow, which is smooth, at the resolution of the patches.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from vid2vid_cli.core.types import FLOW_UNIT, FrameOutput, check_shape
from vid2vid_cli.networks.blocks import Norm, ResidualBlock, conv_block, initialise, normalise, run
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple
from vid2vid_cli.ops.warp import warp


class FastGenerator(nn.Module):
    """One call per frame, at one scale; its only state are the last `past` frames, which the caller keeps."""

    def __init__(
        self,
        condition_channels: int,
        *,
        past: int = 1,
        flow: bool = True,
        flow_unit: float = FLOW_UNIT,
        patch: int = 4,
        width: int = 32,
        downsamples: int = 4,
        blocks: int = 4,
        norm: Norm = "instance",
    ) -> None:
        """`patch`: the side of a patch, a power of two; its halvings are the first of `downsamples`.

        `width`: channels of a patch; doubled at each further downsampling. `blocks` lie at the innermost.
        """
        super().__init__()
        self.scales = 1
        self.past = past
        self.window = 1
        self.flow_unit = flow_unit
        self.condition_channels = condition_channels
        self.patch = patch
        self.multiple = 1 << downsamples
        """What sides of pictures are padded to."""
        self.recompute = False
        """Whether activations are computed again in the backward pass instead of kept (gradient checkpointing)."""
        levels = range(downsamples - (patch.bit_length() - 1))
        self.condition_patches = nn.Conv2d(condition_channels, width, patch, patch)
        self.past_patches = nn.Conv2d(3 * past, width, patch, patch) if past else None
        enter = [normalise(width, norm), nn.ReLU(inplace=True), *conv_block(width, width, 3, norm)]
        self.down = nn.ModuleList([nn.Sequential(*enter)])
        self.down.extend(conv_block(width << level, width << level + 1, 3, norm, stride=2) for level in levels)
        self.middle = nn.Sequential(*(ResidualBlock(width << len(levels), norm) for _ in range(blocks)))
        self.up = nn.ModuleList(_twice(width << level) for level in reversed(levels))
        self.merge = nn.ModuleList(conv_block(width << level, width << level, 3, norm) for level in reversed(levels))
        self.image_head = nn.Conv2d(width, 3 * patch**2, 3, 1, 1)
        self.flow_head = nn.Conv2d(width, 2, 3, 1, 1) if flow else None
        self.occlusion_head = nn.Conv2d(width, patch**2, 3, 1, 1) if flow else None
        initialise(self)
        for head in (self.image_head, self.occlusion_head):
            _begin_smooth(head, patch)
        for up in self.up:
            _begin_smooth(up.get_submodule("0"), 2)
        if self.flow_head is not None:
            # Flow begins at zero, "the picture stands still", rather than at some 20 random pixels.
            nn.init.zeros_(self.flow_head.weight)

    def forward(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
        """The next frame, (b, 1, c, h, w), (b, p, 3, h, w) -> FrameOutput of (b, ., h, w).

        `first`: there is no past yet (it is all zeros), so the frame is the raw image and nothing is warped.
        """
        seen = check_shape("window", window, "b l c h w", l=1, c=self.condition_channels)
        height, width = window.shape[-2:]
        features = self.condition_patches(pad_to_multiple(window[:, 0], self.multiple))
        if self.past_patches is not None:
            check_shape("past", past[0], "b p 3 h w", b=seen["b"], p=self.past, h=height, w=width)
            features = features + self.past_patches(pad_to_multiple(past[0].flatten(1, 2), self.multiple))
        features = self._features(features)
        raw = crop_to(torch.tanh(pixel_shuffle(self.image_head(features).float(), self.patch)), height, width)
        if self.flow_head is None or self.occlusion_head is None or first:
            return FrameOutput(raw, raw)
        coarse = self.flow_head(features).float() * self.flow_unit
        flow = crop_to(interpolate(coarse.contiguous(), scale_factor=self.patch, mode="bilinear"), height, width)
        mask = torch.sigmoid(pixel_shuffle(self.occlusion_head(features).float(), self.patch))
        occlusion = crop_to(mask, height, width)
        image = torch.lerp(warp(past[0][:, -1].float(), flow), raw, occlusion)
        return FrameOutput(image, raw, flow, occlusion)

    def _features(self, patches: Tensor) -> Tensor:
        """Down, through the innermost blocks, and back; (b, width, h', w') -> the same, a cell for each patch."""
        features, skips = patches, []
        for layer in self.down:
            features = run(layer, features, recompute=self.recompute)
            skips.append(features)
        skips.pop()
        for layer in self.middle:
            features = run(layer, features, recompute=self.recompute)
        for up, merge in zip(self.up, self.merge, strict=True):
            features = run(merge, up(features) + skips.pop(), recompute=self.recompute)
        return features

    def learn(self, *, finest_only: bool, stills: bool = False) -> None:
        """There is one scale. `stills`: there is no past for now, of which only rounding errors could be learned."""
        if self.past_patches is not None:
            self.past_patches.requires_grad_(not stills)

    def keep_less(self, recompute: bool) -> None:
        """Whether activations are computed again in the backward pass, which takes a third longer and far less room."""
        self.recompute = recompute


def _twice(width: int) -> nn.Sequential:
    """Twice the size and half the channels, (b, 2 * width, h, w) -> (b, width, 2 h, 2 w), without anything that large
    being convolved."""
    return nn.Sequential(nn.Conv2d(2 * width, 4 * width, 1), nn.PixelShuffle(2))


@torch.no_grad()
def _begin_smooth(layer: nn.Module | None, patch: int) -> None:
    """All pixels of a patch begin alike, not as a pattern to be unlearned (ICNR, Aitken et al., arXiv:1707.02937)."""
    if isinstance(layer, nn.Conv2d):
        layer.weight.copy_(layer.weight[:: patch**2].repeat_interleave(patch**2, 0))
