"""The generators there are; all draw one frame per call, from a window of conditions and the frames before it."""

from __future__ import annotations

from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.unet import UNetGenerator

Generator = CompositeGenerator | FastGenerator | UNetGenerator
"""`scales`, `past`, `window`, the call, and `learn` and `keep_less` for training."""
