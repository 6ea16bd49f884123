"""Two generators, from domain A to B and back (CycleGAN, Zhu et al., ICCV 2017), as one module."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from vid2vid_cli.core.model_specs import Direction
from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.resnet import ResNetGenerator
from vid2vid_cli.networks.spade import SpadeGenerator
from vid2vid_cli.networks.unet import UNetGenerator

SingleGenerator = CompositeGenerator | FastGenerator | SpadeGenerator | UNetGenerator | ResNetGenerator
"""A generator that is one network."""


class TranslationGenerator(nn.Module):
    """Translates frames in both directions; `direction` selects the one that `forward` uses.

    A sequence model with a window of one and no past, whose condition is the frame to translate.
    """

    def __init__(self, a2b: SingleGenerator, b2a: SingleGenerator) -> None:
        super().__init__()
        self.a2b, self.b2a = a2b, b2a
        self.direction: Direction = "a2b"
        self.num_scales, self.past_frames, self.window_size = 1, 0, 1
        self.style_encoder: None = None

    def forward(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
        """Translate a frame in the selected direction, (b, 1, 3, h, w) -> FrameOutput; `past` is ignored."""
        generator = self.a2b if self.direction == "a2b" else self.b2a
        output: FrameOutput = generator(window, past, is_first_frame)
        return output

    def translate(self, frames: Tensor, direction: Direction) -> Tensor:
        """(n, 3, h, w) -> (n, 3, h, w), independently of `self.direction`."""
        generator = self.a2b if direction == "a2b" else self.b2a
        output: FrameOutput = generator(frames[:, None], [frames[:, None, :0]])
        return output.image

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        """No effect: there is one scale and no past."""

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Enable gradient checkpointing: about a third slower, much less memory."""
        for generator in (self.a2b, self.b2a):
            generator.set_gradient_checkpointing(enabled)
