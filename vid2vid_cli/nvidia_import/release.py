"""Analysis of a published network, and conversion to a `.ckpt` file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import View
from vid2vid_cli.config.generator import GeneratorConfig, min_side
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import save_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.weight_files import Weights
from vid2vid_cli.media.files import sha256_of_files
from vid2vid_cli.nvidia_import.architecture import Architecture
from vid2vid_cli.nvidia_import.conditions import (
    PublishedConditions,
    ReleasePreset,
    published_conditions,
    published_image_size,
)
from vid2vid_cli.nvidia_import.convert import convert_weights
from vid2vid_cli.nvidia_import.discriminators import PublishedDiscriminators
from vid2vid_cli.nvidia_import.parameter_counts import (
    count_weights,
    discriminator_millions,
    format_weight_count,
    published_millions,
)

LICENCE = "CC BY-NC-SA 4.0 (NVIDIA vid2vid): non-commercial use only, share alike"


@dataclass(frozen=True, kw_only=True)
class PublishedNetwork:
    """A published generator with its architecture, conditions and unconverted weights."""

    preset: ReleasePreset
    architecture: Architecture
    conditions: PublishedConditions
    image_size: tuple[int, int]
    """(height, width) of generated images."""
    files: Sequence[Path]
    weights: Sequence[Weights] = field(repr=False)
    discriminators: PublishedDiscriminators = field(default_factory=PublishedDiscriminators)

    def parameter_counts(self) -> dict[str, int]:
        """Number of weights by file name."""
        generator_counts = [count_weights(weights) for weights in self.weights]
        file_names = [path.name for path in (*self.files, *self.discriminators.files)]
        return dict(zip(file_names, (*generator_counts, *self.discriminators.parameter_counts), strict=True))

    def count_rows(self) -> list[tuple[str, str]]:
        """Table rows (file name, number of weights and published number)."""
        expected_millions = [*published_millions(self.architecture), *[None] * len(self.files)][: len(self.files)]
        expected_millions += [discriminator_millions(config) for config in self.discriminators.file_configs]
        return [
            (name, format_weight_count(num_weights, expected))
            for (name, num_weights), expected in zip(self.parameter_counts().items(), expected_millions, strict=True)
        ]

    def generator_config(self) -> GeneratorConfig:
        """Config of the equivalent generator. Raises ConfigError."""
        conditions = self.conditions
        try:
            return self.architecture.generator_config(
                conditions.foreground_classes, conditions.channel_mapping.condition_range
            )
        except ValueError as error:
            raise ConfigError(f"{self.files[0]} has an unsupported architecture: {error}") from None

    @property
    def initial_frames(self) -> Literal["zeros", "real"]:
        """Past frames at the start of training clips, as in `schedule.initial_frames`."""
        return "zeros" if self.preset == "pose" or not self.architecture.past_frames else "real"


def analyse_network(
    preset: ReleasePreset,
    architecture: Architecture,
    *,
    files: Sequence[Path],
    weights: Sequence[Weights],
    image_size: tuple[int, int] | None,
    foreground_ids: Sequence[int] | None = None,
) -> PublishedNetwork:
    """Combine published files; `image_size` None: the published size of this architecture. Raises ConfigError.

    `foreground_ids`: see `published_conditions`.
    """
    image_size = image_size or published_image_size(preset, architecture)
    min_image_side = min_side(architecture.num_downsamples, architecture.num_scales)
    if min(image_size) < min_image_side:
        raise ConfigError(
            f"--size {image_size[1]}x{image_size[0]} is too small for {files[0]}: the minimum is {min_image_side} "
            "pixels per side.",
            "Remove --size.",
        )
    return PublishedNetwork(
        preset=preset,
        architecture=architecture,
        conditions=published_conditions(preset, architecture, foreground_ids),
        image_size=image_size,
        files=files,
        weights=weights,
    )


def write_network(network: PublishedNetwork, path: Path, image_generator: str = "") -> None:
    """Convert a network and write it as a `.ckpt`; `image_generator`: see `CheckpointMetadata`.

    Raises LayerMismatchError, ConfigError, DiskFullError, PermissionDeniedError.
    """
    conditions, config = network.conditions, network.generator_config()
    weights = convert_weights(
        network.architecture,
        config,
        channel_mapping=conditions.channel_mapping,
        scale_weights=network.weights,
        paths=network.files,
    )
    height, width = network.image_size
    training: dict[str, Any] = {
        "imported": "NVIDIA vid2vid",
        "licence": LICENCE,
        "preset": network.preset,
        "files": {file.name: sha256_of_files(file) for file in (*network.files, *network.discriminators.files)},
    }
    metadata = CheckpointMetadata(
        name=path.stem,
        generator=config,
        conditioners=conditions.conditioners,
        crop=conditions.crop,
        view=View.from_box((0, 0, width, height), height, width).to_json(),
        height=height,
        width=width,
        fps=conditions.fps,
        training=training,
        created_by=f"vid2vid-cli {__version__}",
        foreground_indices=conditions.foreground_indices if config.foreground_classes else (),
        initial_frames=network.initial_frames,
        has_published_start=network.architecture.past_frames > 0,
        image_generator=image_generator,
    )
    with torch.device("meta"):
        generator = build_generator(config, metadata.condition_spec)
    generator.load_state_dict(weights, assign=True)
    save_checkpoint(path, generator, metadata, network.discriminators.weights)
