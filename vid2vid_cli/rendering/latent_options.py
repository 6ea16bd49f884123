"""The options for models with one latent per video (model=bicyclegan) or with attributes (model=fader, vaegan)."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.conditioning import view_image
from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.core.suggest import suggest_names
from vid2vid_cli.data.cropping import crop_view
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.networks.bicyclegan import BicycleGenerator, LatentPath
from vid2vid_cli.networks.fader import FaderGenerator
from vid2vid_cli.networks.vaegan import VaeGanGenerator
from vid2vid_cli.rendering.source_reader import open_source_reader
from vid2vid_cli.requests.render import StyleOptions


def check_latent_options(style_options: StyleOptions, metadata: CheckpointMetadata) -> None:
    """Raise ConfigError for options on objects, or for two styles in place of one."""
    for flag, values in (("--style", style_options.assignments), ("--style-labels", style_options.reference_labels)):
        if values:
            raise ConfigError(
                f"{flag} {values[0]}: {metadata.name} has one style per video, not per object.",
                "Use --style-seed N or --style-from PHOTO.",
            )
    if style_options.seed is not None and style_options.reference_image is not None:
        raise ConfigError(
            f"--style-seed {style_options.seed} and --style-from {style_options.reference_image} both set the style of "
            "the video.",
            "Remove one of them, or move from one to the other: --style-from PHOTO --style-to N.",
        )
    if (
        style_options.last_style is not None
        and not style_options.last_style.isdecimal()
        and not Path(style_options.last_style).exists()
    ):
        raise MissingFileError(
            f"--style-to {style_options.last_style} is neither a seed nor a file.",
            "Example: --style-seed 7 --style-to 8",
        )


def parse_attributes(style_options: StyleOptions, metadata: CheckpointMetadata) -> list[float]:
    """The value of each attribute of a checkpoint (model=fader, vaegan); 0 for those without an option.

    Raises ConfigError for an unknown attribute, a value that is not a number, and options on styles.
    """
    names = metadata.generator.attributes
    flag = replace(style_options, attributes=()).first_option
    if flag:
        hint = f"Use --attribute {names[0]}=+1." if names else "Remove it."
        raise ConfigError(f"{flag}: {metadata.name} (model={metadata.model}) has no styles.", hint)
    if style_options.attributes and not names:
        raise ConfigError(
            f"--attribute {style_options.attributes[0]}: {metadata.name} was trained without attributes.",
            "Train with --set generator.attributes=[NAME]: a measurement of the conditioner, or a column of "
            "data.attributes_file.",
        )
    values = dict.fromkeys(names, 0.0)
    for text in style_options.attributes:
        name, _, value = text.partition("=")
        if name not in values:
            hint = suggest_names(name, names) or f"Attributes: {', '.join(names)}."
            raise ConfigError(f"--attribute {text}: {metadata.name} has no attribute {name!r}.", hint)
        try:
            values[name] = float(value)
        except ValueError:
            values[name] = math.nan
        if not math.isfinite(values[name]):
            raise ConfigError(f"--attribute {text}: {value!r} is not a number.", f"Example: --attribute {name}=+1.5")
    return list(values.values())


def build_attribute_path(
    style_options: StyleOptions,
    metadata: CheckpointMetadata,
    generator: FaderGenerator | VaeGanGenerator,
    emit: EventHandler,
) -> LatentPath:
    """The generator with the attributes of the options. Raises the errors of `parse_attributes`.

    model=vaegan: the sum of their directions, each multiplied by its value, is added to the code of each frame.
    """
    values = parse_attributes(style_options, metadata)
    listed = ", ".join(f"{name}={value:g}" for name, value in zip(metadata.generator.attributes, values, strict=True))
    if values:
        emit(InfoEvent(f"attributes: {listed}; change them with --attribute NAME=VALUE"))
    if isinstance(generator, FaderGenerator):
        return LatentPath(generator, torch.tensor(values))
    offset = torch.zeros(generator.code_size)
    for value, direction in zip(values, metadata.attribute_directions, strict=True):
        if value:
            emit(InfoEvent(f"attribute {direction.describe()}"))
        offset += value * torch.tensor(direction.vector)
    return LatentPath(generator, offset)


def build_latent_path(
    style_options: StyleOptions,
    metadata: CheckpointMetadata,
    generator: BicycleGenerator,
    *,
    runtime: Runtime,
    num_frames: int,
    emit: EventHandler,
) -> LatentPath:
    """The generator with the style of the options, or with zeros, the mean of all styles.

    `num_frames`: those of the video; the last one has the style of `--style-to`. Raises the errors of
    `check_latent_options` and of reading a photo.
    """
    check_latent_options(style_options, metadata)
    start = torch.zeros(generator.latent_channels)
    if style_options.seed is None and style_options.reference_image is None:
        emit(InfoEvent("style: the mean of all styles; choose another with --style-seed N or --style-from PHOTO"))
    if style_options.seed is not None:
        start = generator.random_latent(style_options.seed)
    elif style_options.reference_image is not None:
        start = encode_photo(style_options.reference_image, metadata, generator, runtime)
    end = None
    if style_options.last_style is not None and style_options.last_style.isdecimal():
        end = generator.random_latent(int(style_options.last_style))
    elif style_options.last_style is not None:
        end = encode_photo(Path(style_options.last_style), metadata, generator, runtime)
    return LatentPath(generator, start, end, num_frames=num_frames)


@torch.inference_mode()
def encode_photo(path: Path, metadata: CheckpointMetadata, generator: BicycleGenerator, runtime: Runtime) -> Tensor:
    """The latent (latent_channels,) of a photo, whose centre is cropped to the shape of the frames."""
    image = next(iter(open_source_reader(path, metadata)))
    height, width, _ = image.shape
    frame = frame_to_tensor(view_image(image, crop_view(height, width, metadata.output_size, "center", {})))
    with runtime.autocast():
        mean: Tensor = generator.encoder(frame[None, None].float().to(runtime.device))[0]
    return mean[0].cpu()
