"""One spatial scale of the sequential generator (vid2vid, Wang et al., NeurIPS 2018, sections 3 and 4).

Two encoders, one of the conditions and one of the last frames, are summed; an image branch and a flow branch follow;
flow and occlusion mask share all but their last layer. A foreground branch sees the conditions alone. A finer scale is
the same with few blocks, and adds to the sum the features of the coarser one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vid2vid_cli.networks.blocks import Norm, Upsample, decoder, encoder, head, initialise, run


@dataclass(frozen=True)
class Shape:
    """The numbers of one scale."""

    channels: int
    """Of the condition, per frame; 0 for what is drawn from its past alone."""
    past: int
    width: int
    downsamples: int
    before: int
    """Residual blocks of each encoder."""
    after: int
    """Residual blocks of each branch."""
    kernel: int
    norm: Norm
    upsample: Upsample
    flow: bool
    foreground: int = 0
    """Width of the foreground branch; 0 for none."""
    picture: int = 3
    """Channels of a frame."""

    @property
    def multiple(self) -> int:
        """What sides of pictures must be multiples of."""
        return 1 << self.downsamples


@dataclass(frozen=True)
class Features:
    """What a scale hands to the next finer one: its branches just before their heads, (b, width, h, w)."""

    image: Tensor
    motion: Tensor | None
    foreground: Tensor | None


@dataclass(frozen=True)
class Estimate:
    """What a scale says about a frame, before anything is blended."""

    raw: Tensor
    """(b, 3, h, w) in [-1, 1]"""
    flow: Tensor | None
    """(b, 2, h, w), not yet in pixels."""
    occlusion: Tensor | None
    """(b, 1, h, w) in [0, 1]"""
    foreground: Tensor | None
    """(b, 3, h, w) in [-1, 1]"""
    features: Features


class ScaleNetwork(nn.Module):
    """The networks of one spatial scale; (h, w) are multiples of `shape.multiple`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.recompute = False
        """Whether activations are computed again in the backward pass instead of kept (gradient checkpointing)."""
        window = shape.channels * (shape.past + 1)

        def enter(channels: int, width: int) -> nn.Sequential:
            return encoder(
                channels,
                width=width,
                downsamples=shape.downsamples,
                blocks=shape.before,
                kernel=shape.kernel,
                norm=shape.norm,
            )

        def leave(width: int, blocks: int = shape.after) -> nn.Sequential:
            return decoder(
                width=width, downsamples=shape.downsamples, blocks=blocks, norm=shape.norm, upsample=shape.upsample
            )

        width, kernel = shape.width, shape.kernel
        self.condition_encoder = enter(window, width) if window else None
        self.past_encoder = enter(shape.picture * shape.past, width) if shape.past else None
        self.image_decoder = leave(width)
        self.image_head = head(width, shape.picture, kernel)
        self.flow_decoder = leave(width) if shape.flow else None
        self.flow_head = head(width, 2, kernel) if shape.flow else None
        self.occlusion_head = head(width, 1, kernel) if shape.flow else None
        self.foreground_encoder = enter(window, shape.foreground) if shape.foreground else None
        self.foreground_decoder = leave(shape.foreground) if shape.foreground else None
        self.foreground_head = head(shape.foreground, shape.picture, kernel) if shape.foreground else None
        initialise(self)
        if self.flow_head is not None:
            # Flow begins at zero, "the picture stands still", rather than at some 20 random pixels.
            nn.init.zeros_(self.flow_head.weight)

    def forward(self, window: Tensor, past: Tensor, coarser: Features | None, *, still: bool = False) -> Estimate:
        """(b, l * c, h, w), (b, p * 3, h, w), features of half the size -> Estimate of (b, ., h, w).

        `still`: there is no past, so flow and mask are not asked for.
        """
        entered = [
            self._run(layers, given)
            for layers, given in ((self.condition_encoder, window), (self.past_encoder, past))
            if layers is not None
        ]
        features = entered[0] if len(entered) == 1 else entered[0] + entered[1]
        image = self._run(self.image_decoder, _sum(features, coarser.image if coarser else None))
        raw = torch.tanh(self.image_head(image).float())
        motion = flow = occlusion = None
        if self.flow_decoder is not None and not still:
            assert self.flow_head is not None
            assert self.occlusion_head is not None
            motion = self._run(self.flow_decoder, _sum(features, coarser.motion if coarser else None))
            flow = self.flow_head(motion).float()
            occlusion = torch.sigmoid(self.occlusion_head(motion).float())
        front = foreground = None
        if self.foreground_encoder is not None:
            assert self.foreground_decoder is not None
            assert self.foreground_head is not None
            seen = self._run(self.foreground_encoder, window)
            front = self._run(self.foreground_decoder, _sum(seen, coarser.foreground if coarser else None))
            foreground = torch.tanh(self.foreground_head(front).float())
        return Estimate(raw, flow, occlusion, foreground, Features(image, motion, front))

    def _run(self, layers: nn.Sequential, x: Tensor) -> Tensor:
        """All layers in turn, each kept only as its input where memory matters more than time."""
        for layer in layers:
            x = run(layer, x, recompute=self.recompute)
        return x


def _sum(features: Tensor, coarser: Tensor | None) -> Tensor:
    return features if coarser is None else features + coarser
