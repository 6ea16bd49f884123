"""The sequential generator of vid2vid (Wang et al., NeurIPS 2018, section 3), one spatial scale.

    x_t = m * h + (1 - m) * warp(x_{t-1}, w)

where h (raw image), w (flow) and m (soft occlusion mask) are predicted from the last conditions and the last
generated frames. Two encoders, one of each kind, are summed; an image decoder and a flow decoder follow; flow and
mask share all but their last layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vid2vid_cli.core.nouns import FLOW_UNIT, FrameOutput, check_shape
from vid2vid_cli.networks.blocks import Norm, Upsample, decoder, encoder, head, initialise
from vid2vid_cli.ops.resample import crop_to, pad_to_multiple
from vid2vid_cli.ops.warp import warp


class CompositeGenerator(nn.Module):
    """One network call per frame; its only state is the last `past` frames, which the caller keeps."""

    def __init__(
        self,
        condition_channels: int,
        *,
        past: int = 2,
        flow: bool = True,
        flow_unit: float = FLOW_UNIT,
        width: int = 64,
        downsamples: int = 3,
        blocks: int = 9,
        kernel: int = 7,
        norm: Norm = "instance",
        upsample: Upsample = "resize",
    ) -> None:
        super().__init__()
        self.past = past
        self.window = past + 1
        self.flow_unit = flow_unit
        self.condition_channels = condition_channels
        self.multiple = 1 << downsamples
        late = blocks // 2
        shape = {"width": width, "downsamples": downsamples}

        def enter(channels: int) -> nn.Sequential:
            return encoder(channels, **shape, blocks=blocks - late, kernel=kernel, norm=norm)

        def leave() -> nn.Sequential:
            return decoder(**shape, blocks=late, norm=norm, upsample=upsample)

        self.condition_encoder = enter(condition_channels * self.window)
        self.past_encoder = enter(3 * past) if past else None
        self.image_decoder = leave()
        self.image_head = head(width, 3, kernel)
        self.flow_decoder = leave() if flow else None
        self.flow_head = head(width, 2, kernel) if flow else None
        self.occlusion_head = head(width, 1, kernel) if flow else None
        initialise(self)
        if self.flow_head is not None:
            # Flow begins at zero, "the picture stands still", rather than at some 20 random pixels.
            nn.init.zeros_(self.flow_head.weight)

    def forward(self, window: Tensor, past: Tensor, first: bool = False) -> FrameOutput:
        """The next frame, (b, l, c, h, w), (b, p, 3, h, w) -> FrameOutput of (b, ., h, w).

        `first`: there is no past yet (it is all zeros), so the frame is the raw image and nothing is warped.
        """
        seen = check_shape("window", window, "b l c h w", l=self.window, c=self.condition_channels)
        height, width = seen["h"], seen["w"]
        features = self.condition_encoder(pad_to_multiple(window.flatten(1, 2), self.multiple))
        if self.past_encoder is not None:
            check_shape("past", past, "b p 3 h w", b=seen["b"], p=self.past, h=height, w=width)
            features = features + self.past_encoder(pad_to_multiple(past.flatten(1, 2), self.multiple))
        raw = crop_to(torch.tanh(self.image_head(self.image_decoder(features)).float()), height, width)
        if first or self.flow_decoder is None or self.flow_head is None or self.occlusion_head is None:
            return FrameOutput(raw, raw)
        motion = self.flow_decoder(features)
        flow = crop_to(self.flow_head(motion).float() * self.flow_unit, height, width)
        occlusion = crop_to(torch.sigmoid(self.occlusion_head(motion).float()), height, width)
        image = torch.lerp(warp(past[:, -1].float(), flow), raw, occlusion)
        return FrameOutput(image, raw, flow, occlusion)
