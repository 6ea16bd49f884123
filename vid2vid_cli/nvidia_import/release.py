"""A published network, understood, and the `.ckpt` that is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import View
from vid2vid_cli.config.generator import GeneratorConfig, least_side
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import CheckpointInfo, Weights, save_checkpoint
from vid2vid_cli.media.files import digest_of
from vid2vid_cli.nvidia_import.architecture import Architecture
from vid2vid_cli.nvidia_import.conditions import Material, Preset, material, picture
from vid2vid_cli.nvidia_import.convert import convert
from vid2vid_cli.nvidia_import.discriminators import Judges
from vid2vid_cli.nvidia_import.parameter_counts import of_copies, published, size_of, words

LICENCE = "CC BY-NC-SA 4.0 (NVIDIA vid2vid): not for commercial use, and to be passed on alike"


@dataclass(frozen=True)
class Network:
    """Published files, understood but not yet converted."""

    preset: Preset
    architecture: Architecture
    material: Material
    size: tuple[int, int]
    """(height, width) of its picture."""
    files: Sequence[Path]
    weights: Sequence[Weights] = field(repr=False)
    judges: Judges = field(default_factory=Judges)

    def counts(self) -> dict[str, int]:
        """Weights by file."""
        own = [size_of(weights) for weights in self.weights]
        files = [path.name for path in (*self.files, *self.judges.files)]
        return dict(zip(files, (*own, *self.judges.counts), strict=True))

    def rows(self) -> list[tuple[str, str]]:
        """The same beside the published counts, for people."""
        known = [*published(self.architecture), *[None] * len(self.files)][: len(self.files)]
        known += [of_copies(config) for config in self.judges.configs]
        return [(name, words(own, there)) for (name, own), there in zip(self.counts().items(), known, strict=True)]

    def config(self) -> GeneratorConfig:
        """The settings of our generator. Raises ConfigError."""
        made = self.material
        try:
            return self.architecture.config(made.foreground, unit_conditions=made.channels.zero_to_one)
        except ValueError as error:
            raise ConfigError(f"{self.files[0]} is of a shape that vid2vid does not build: {error}") from None

    @property
    def first(self) -> str:
        """What its clips began with: `CheckpointInfo.first`."""
        return "zeros" if self.preset == "pose" or not self.architecture.past else "real"


def understand(
    preset: Preset,
    architecture: Architecture,
    files: Sequence[Path],
    weights: Sequence[Weights],
    size: tuple[int, int] | None,
) -> Network:
    """A network of published files; `size` None: as published for networks of this shape. Raises ConfigError."""
    size = size or picture(preset, architecture)
    least = least_side(architecture.downsamples, architecture.scales)
    if min(size) < least:
        raise ConfigError(
            f"A picture of {size[1]}x{size[0]} is too small for {files[0]}: at least {least} pixels are needed.",
            "Leave --size out.",
        )
    return Network(preset, architecture, material(preset, architecture), size, files, weights)


def write_network(network: Network, path: Path) -> None:
    """Convert it and write it as a `.ckpt`. Raises LayersError, ConfigError, DiskFullError, PermissionDeniedError."""
    made, config = network.material, network.config()
    weights = convert(network.architecture, config, made.channels, network.weights, network.files)
    height, width = network.size
    training: dict[str, Any] = {
        "imported": "NVIDIA vid2vid",
        "licence": LICENCE,
        "preset": network.preset,
        "files": {file.name: digest_of(file) for file in (*network.files, *network.judges.files)},
    }
    info = CheckpointInfo(
        name=path.stem,
        generator=config,
        conditioners=made.uses,
        crop=made.crop,
        view=View.of_box((0, 0, width, height), height, width).to_json(),
        height=height,
        width=width,
        fps=made.fps,
        training=training,
        created_by=f"vid2vid-cli {__version__}",
        foreground=made.foreground_channels if config.foreground else (),
        first=network.first,
    )
    with torch.device("meta"):
        generator = build_generator(config, info.layout)
    generator.load_state_dict(weights, assign=True)
    save_checkpoint(path, generator, info, network.judges.weights)
