"""The sequential generator of vid2vid (Wang et al., NeurIPS 2018), coarse to fine.

    x_t = m * h + (1 - m) * warp(x_{t-1}, w)                    eq. 4
    h = m_F * h_F + (1 - m_F) * h_B                             eq. 9, where there is a foreground

h (raw image), w (flow) and m (soft occlusion mask) are predicted from the last conditions and the last generated
frames, at each spatial scale anew; what a scale hands on are features alone. m_F comes from the condition itself.

Without past and flow it is pix2pixHD's (Wang et al., CVPR 2018): one scale its global generator, each finer one a local
enhancer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vid2vid_cli.core.types import FLOW_UNIT, FrameOutput, check_shape
from vid2vid_cli.networks.blocks import Norm, Upsample
from vid2vid_cli.networks.scale_network import Estimate, Features, ScaleNetwork, Shape
from vid2vid_cli.ops.resample import crop_to, halve, pad_to_multiple
from vid2vid_cli.ops.warp import warp


class CompositeGenerator(nn.Module):
    """One call per frame; its only state are the last `past` frames of each scale, which the caller keeps."""

    def __init__(
        self,
        condition_channels: int,
        *,
        scales: int = 1,
        past: int = 2,
        flow: bool = True,
        flow_unit: float = FLOW_UNIT,
        width: int = 64,
        downsamples: int = 3,
        blocks: int = 9,
        blocks_local: int = 3,
        kernel: int = 7,
        norm: Norm = "instance",
        upsample: Upsample = "resize",
        foreground: Sequence[int] = (),
        foreground_over: bool = False,
        unit_conditions: bool = False,
        picture: int = 3,
    ) -> None:
        """`picture`: channels of what is drawn, 3 for frames.

        `foreground`: the condition channels of the classes that it is made of.

        `foreground_over`: the foreground covers warped pixels too, as in the published code; otherwise eq. 9.
        `unit_conditions`: the networks are shown (x + 1) / 2 of each condition. Weights for one could be turned into
        weights for the other, but with labels that are mostly -1 the sums would lose two digits.
        """
        super().__init__()
        self.scales = scales
        self.past = past
        self.window = past + 1
        self.flow_unit = flow_unit
        self.condition_channels = condition_channels
        self.foreground = tuple(foreground)
        self.foreground_over = foreground_over
        self.unit_conditions = unit_conditions
        self.picture = picture
        self.finest_only = False
        """Whether only the finest scale is being trained."""
        front = (width // 2 if downsamples > 2 else width) if foreground else 0
        late = blocks // 2
        coarsest = Shape(
            condition_channels,
            past,
            width,
            downsamples,
            blocks - late,
            late,
            kernel,
            norm,
            upsample,
            flow,
            front,
            picture,
        )
        self.networks = nn.ModuleList([ScaleNetwork(coarsest)])
        for scale in range(1, scales):
            local = Shape(
                condition_channels,
                past,
                width >> scale,
                1,
                0,
                blocks_local,
                kernel,
                norm,
                upsample,
                flow,
                front >> scale,
                picture,
            )
            self.networks.append(ScaleNetwork(local))
        self.multiple = coarsest.multiple << (scales - 1)

    def forward(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
        """The next frame, (b, l, c, h, w), (b, p, k, h, w) per scale, finest first -> FrameOutput of (b, ., h, w).

        Each coarser scale is half the size of the finer, rounded up. `first`: there is no past yet (it is all zeros),
        so the frame is the raw image and nothing is warped.
        """
        seen = check_shape("window", window, "b l c h w", l=self.window, c=self.condition_channels)
        pyramid = [window.flatten(1, 2)]
        for _ in range(1, self.scales):
            pyramid.append(halve(pyramid[-1]) if self.condition_channels else pyramid[-1][..., ::2, ::2])
        features: Features | None = None
        outputs: list[FrameOutput] = []
        for scale in range(self.scales):
            level = self.scales - 1 - scale
            height, width = pyramid[level].shape[-2:]
            if self.past:
                known = {"b": seen["b"], "p": self.past, "k": self.picture, "h": height, "w": width}
                check_shape("past", past[level], "b p k h w", **known)
            multiple = self.multiple >> level
            given = pad_to_multiple(pyramid[level], multiple) if self.condition_channels else pyramid[level]
            if self.unit_conditions:
                given = (given + 1).mul_(0.5)
            frames = past[level] if self.past else pyramid[level][:, None, :0]  # of a frame-wise model there are none
            before = pad_to_multiple(frames.flatten(1, 2), multiple) if self.past else given[:, :0]
            fixed = self.finest_only and level > 0
            with torch.set_grad_enabled(torch.is_grad_enabled() and not fixed):
                estimate = self.networks[scale](given, before, features, still=first)
                outputs.append(self._blend(estimate, pyramid[level], frames, 1 << scale))
            features = estimate.features
        image = outputs.pop()
        coarse = tuple(output.image for output in reversed(outputs))
        return FrameOutput(image.image, image.raw, image.flow, image.occlusion, coarse)

    def _blend(self, estimate: Estimate, window: Tensor, past: Tensor, times: int) -> FrameOutput:
        """The frame of one scale, from its own past; `times`: how much finer than the coarsest it is."""
        height, width = window.shape[-2:]
        raw = behind = crop_to(estimate.raw, height, width)
        front = mask = None
        if estimate.foreground is not None:
            front = crop_to(estimate.foreground, height, width)
            mask = self._foreground_mask(window)
            raw = torch.lerp(behind, front, mask)
        if estimate.flow is None or estimate.occlusion is None:
            return FrameOutput(raw, raw)
        flow = crop_to(estimate.flow * (self.flow_unit * times), height, width)
        occlusion = crop_to(estimate.occlusion, height, width)
        image = warp(past[:, -1].float(), flow)
        if self.foreground_over and front is not None and mask is not None:
            # The foreground once: where labels are averages, twice would count for more.
            image = torch.lerp(torch.lerp(image, behind, occlusion), front, mask)
        else:
            image = torch.lerp(image, raw, occlusion)
        return FrameOutput(image, raw, flow, occlusion)

    def _foreground_mask(self, window: Tensor) -> Tensor:
        """(b, l * c, h, w) -> (b, 1, h, w) in [0, 1]; soft at coarser scales, where labels are averages."""
        current = window[:, -self.condition_channels :]
        chosen = (current[:, list(self.foreground)].float() + 1) / 2
        return chosen.sum(1, keepdim=True).clamp(0, 1)

    def learn(self, *, finest_only: bool, stills: bool = False) -> None:
        """Train the finest scale alone, or all; its coarser scales then run without gradients.

        `stills`: there is no past for now, and of nothing its encoders learn nothing but rounding errors.
        """
        self.finest_only = finest_only and self.scales > 1
        for index, network in enumerate(self.networks):
            assert isinstance(network, ScaleNetwork)
            learns = not self.finest_only or index == self.scales - 1
            network.requires_grad_(learns)
            if network.past_encoder is not None:
                network.past_encoder.requires_grad_(learns and not stills)

    def keep_less(self, recompute: bool) -> None:
        """Whether activations are computed again in the backward pass, which takes a third longer and far less room."""
        for network in self.networks:
            assert isinstance(network, ScaleNetwork)
            network.recompute = recompute
