"""How large the model of some settings is, before there is a dataset: for `presets show`."""

from __future__ import annotations

from dataclasses import dataclass

from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import MissingFileError
from vid2vid_cli.core.types import ConditionLayout
from vid2vid_cli.engine.memory_estimate import Footprint, footprint

FRAMES = (1080, 1920)
PERSON = (0.0, 0.0, 0.75, 1.0)
"""The shape that vid2vid draws a dancer in, where a dataset would say."""
CITYSCAPES = 36
"""35 classes and the outlines of instances: for labels whose classes only a dataset knows."""


@dataclass(frozen=True)
class Sizing:
    """What was counted, and for what."""

    picture: tuple[int, int]
    """(height, width)"""
    channels: int
    found: Footprint


def sizing(config: Config) -> Sizing:
    """Count the model of some settings; takes seconds. Where a dataset decides, a likely one is assumed."""
    picture = config.data.picture(*FRAMES, PERSON)
    names = [choice[0] for choice in config.choices()] or ["edges"]
    channels = sum(_channels(name) for name in names)
    # The channels of the foreground are the dataset's; which they are makes no difference here.
    foreground = tuple(range(min(len(config.generator.foreground), channels)))
    return Sizing(picture, channels, footprint(config, ConditionLayout(channels, foreground), *picture))


def _channels(name: str) -> int:
    try:
        return load_conditioner(name).channels
    except MissingFileError:
        return CITYSCAPES
