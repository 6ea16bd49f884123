"""The type of all generators."""

from __future__ import annotations

from vid2vid_cli.networks.bicyclegan import BicycleGenerator
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.fader import FaderGenerator
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.resnet import ResNetGenerator
from vid2vid_cli.networks.savp import SavpGenerator
from vid2vid_cli.networks.spade import SpadeGenerator
from vid2vid_cli.networks.translation import TranslationGenerator
from vid2vid_cli.networks.unet import UNetGenerator
from vid2vid_cli.networks.vaegan import VaeGanGenerator

Generator = (
    CompositeGenerator
    | FastGenerator
    | SpadeGenerator
    | UNetGenerator
    | ResNetGenerator
    | TranslationGenerator
    | SavpGenerator
    | BicycleGenerator
    | FaderGenerator
    | VaeGanGenerator
)
"""Common interface: `num_scales`, `past_frames`, `window_size`, `style_encoder`, `forward`, `set_trainable` and
`set_gradient_checkpointing`."""
