"""Size of the model of a config without a dataset, for `presets show`."""

from __future__ import annotations

from dataclasses import dataclass

from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.config.config import FRAME_CONDITIONER, FRAME_MODELS, Config
from vid2vid_cli.core.errors import MissingFileError
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.engine.memory_estimate import ModelSize, estimate_model_size

ASSUMED_FRAME_SIZE = (1080, 1920)
ASSUMED_PERSON_BOX = (0.0, 0.0, 0.75, 1.0)
"""Aspect ratio of vid2vid's dance videos."""
CITYSCAPES_CHANNELS = 36
"""35 classes and instance edges: assumed for labels, whose classes depend on the dataset."""


@dataclass(frozen=True)
class ModelSizeReport:
    """Size of a model, with the assumptions it was computed for."""

    output_size: tuple[int, int]
    """(height, width)"""
    num_channels: int
    model_size: ModelSize


def report_model_size(config: Config) -> ModelSizeReport:
    """Estimate the model size of a config in a few seconds, with typical values for what depends on the dataset."""
    reads_frames = config.model in FRAME_MODELS
    output_size = config.data.output_size(*ASSUMED_FRAME_SIZE, None if reads_frames else ASSUMED_PERSON_BOX)
    conditioner_names = [choice[0] for choice in config.conditioner_alternatives()] or ["edges"]
    conditioner_names = [FRAME_CONDITIONER] if reads_frames else conditioner_names
    num_channels = sum(_num_channels(name) for name in conditioner_names)
    # The indices depend on the dataset; only their number affects the size.
    foreground_indices = tuple(range(min(len(config.generator.foreground_classes), num_channels)))
    return ModelSizeReport(
        output_size,
        num_channels,
        estimate_model_size(config, ConditionSpec(num_channels, foreground_indices), *output_size),
    )


def _num_channels(name: str) -> int:
    try:
        return load_conditioner(name).num_channels
    except MissingFileError:
        return CITYSCAPES_CHANNELS
