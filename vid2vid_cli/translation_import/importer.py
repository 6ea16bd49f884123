"""`import pix2pix` and `import cyclegan`: conversion of a generator's `.pth` file to a `.ckpt` file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.paths import shorten_name
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import save_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, ConditionerConfig
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.engine.published_weights import RUNNING_STATISTICS, read_state_dict
from vid2vid_cli.engine.weight_files import without_data
from vid2vid_cli.media.files import sha256_of_files, unique_path
from vid2vid_cli.requests.prepare import ImportGeneratorRequest
from vid2vid_cli.translation_import.convert import convert_weights, generator_config
from vid2vid_cli.translation_import.layers import read_architecture

FRAME_CONDITIONER = "none"
"""The frame itself is the condition."""
PUBLISHED_SIZE = (256, 256)


@dataclass(frozen=True)
class ImportedGenerator:
    """The file that was written."""

    path: Path
    architecture: str
    num_parameters: int
    """Of the published network."""


def import_generator(request: ImportGeneratorRequest, on_event: EventHandler) -> ImportedGenerator:
    """Convert the generator in a file.

    Raises: ForeignCheckpointError, LayerMismatchError, TruncatedCheckpointError, ConfigError (a conditioner with other
    channels, a size that is too small), PluginError, DiskFullError, PermissionDeniedError.
    """
    weights = read_state_dict(request.file)
    architecture = read_architecture(weights, request.file)
    config = generator_config(architecture, request.statistics)
    with without_data():
        published = build_generator(config, ConditionSpec(architecture.in_channels, ()))
    converted = convert_weights(
        architecture,
        weights,
        expected_shapes={name: tuple(value.shape) for name, value in published.state_dict().items()},
        statistics=request.statistics,
        path=request.file,
    )
    conditioner = load_conditioner(request.conditioner, request.options.get(request.conditioner, {}))
    first = next(layer.our_conv for layer in architecture.layers) + ".weight"
    converted[first] = _match_channels(converted[first], request, conditioner.num_channels)
    height, width = request.image_size or PUBLISHED_SIZE
    options = conditioner.options.persistent_values()
    path = _checkpoint_path(request)
    metadata = CheckpointMetadata(
        name=path.stem,
        generator=config,
        conditioners=(
            ConditionerConfig(
                name=request.conditioner, options=options, channels=conditioner.num_channels, statistics={}
            ),
        ),
        crop="center",
        view=View.from_box((0, 0, width, height), height, width).to_json(),
        height=height,
        width=width,
        fps="25",
        training={"imported": "pix2pix/CycleGAN", "files": {request.file.name: sha256_of_files(request.file)}},
        created_by=f"vid2vid-cli {__version__}",
    )
    with without_data():
        generator = build_generator(config, metadata.condition_spec)
    generator.load_state_dict(converted, assign=True)
    save_checkpoint(path, generator, metadata)
    if architecture.norm == "batch" and request.statistics == "running":
        on_event(InfoEvent("Batch normalisation uses the running statistics of the file (as with --eval)."))
    if request.conditioner == "edges" and architecture.in_channels == 3:
        on_event(InfoEvent("The edges of the network are taken to be dark lines on white, as in edges2shoes."))
    num_parameters = sum(value.numel() for name, value in weights.items() if not name.endswith(RUNNING_STATISTICS))
    return ImportedGenerator(
        path, f"{architecture.kind} {architecture.num_blocks}, {architecture.norm} norm", num_parameters
    )


def _checkpoint_path(request: ImportGeneratorRequest) -> Path:
    path = request.out if request.out is not None else Path(f"{shorten_name(request.file.stem)}.ckpt")
    if path.suffix != ".ckpt":
        raise ConfigError(f"--out {path}: the suffix of a checkpoint must be .ckpt.", f"--out {path}.ckpt")
    return path if request.overwrite else unique_path(path)


def _match_channels(weight: Tensor, request: ImportGeneratorRequest, num_channels: int) -> Tensor:
    """The first convolution for our condition; a published edge image is grey in three channels, dark on white."""
    if weight.shape[1] == num_channels:
        return weight
    if request.conditioner == "edges" and (weight.shape[1], num_channels) == (3, 1):
        return -weight.sum(1, keepdim=True)  # ours: light lines on black, range [-1, 1]
    raise ConfigError(
        f"{request.file} has {weight.shape[1]} input channels, and the conditioner {request.conditioner} has "
        f"{num_channels}.",
        f"Use --conditioner {FRAME_CONDITIONER}, whose condition is the input frame with three channels.",
    )
