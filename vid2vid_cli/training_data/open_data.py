"""Opens datasets for training, and for a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning import FRAME_CONDITIONER, Conditioner, View
from vid2vid_cli.conditioning.combine import join_names, load_conditioners, merge_statistics
from vid2vid_cli.config.config import FRAME_MODELS, Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError
from vid2vid_cli.data.cropping import crop_view, full_frame_size
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.data.regions import available_region_names
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.training_data.dataset_conditioners import (
    describe_conditioners,
    load_dataset_conditioners,
    prepare_arguments,
)
from vid2vid_cli.training_data.preset_choice import train_command
from vid2vid_cli.training_data.training_data import TrainingData


def open_training_data(
    folder: Path, config: Config, size: tuple[int, int] | None = None, *, folder_b: Path | None = None
) -> TrainingData:
    """Open a dataset with the crop, size and rendering options of the config; `folder_b`: domain B of unpaired models.

    `size`: (height, width) of the training images; None: by the rule of the config.

    Raises MissingFileError, DatasetError, DatasetMismatchError, PluginError, ConfigError (invalid conditioner option,
    unknown region, image too small).
    """
    dataset = Dataset(folder)
    manifest = dataset.manifest
    if not config.accepts(manifest.conditioner_names):
        raise _mismatch_error(folder, dataset, config)
    used_names = (FRAME_CONDITIONER,) if config.model in FRAME_MODELS else manifest.conditioner_names
    statistics = merge_statistics([dataset.statistics(name) for name in used_names])
    image_size = size or config.data.output_size(manifest.height, manifest.width, statistics.get("subject_box"))
    if size_error := config.size_error(*image_size):
        raise ConfigError(
            f"{size_error}; the frames of {folder} are {manifest.width}x{manifest.height}.",
            "Increase data.height or reduce generator.num_downsamples.",
        )
    conditioners = (
        load_conditioners([(FRAME_CONDITIONER, {})])
        if config.model in FRAME_MODELS
        else load_dataset_conditioners(manifest, config)
    )
    data = TrainingData(
        dataset=dataset,
        conditioners=conditioners,
        view=_training_view(dataset, config, image_size, statistics),
        crop_size=image_size if config.data.crop == "random" else None,
        region_names=_enabled_regions(config, conditioners),
    )
    if folder_b is None:
        return data
    dataset_b = Dataset(folder_b)
    view_b = _training_view(dataset_b, config, image_size, {})
    return replace(data, domain_b=replace(data, dataset=dataset_b, view=view_b))


def _training_view(
    dataset: Dataset, config: Config, image_size: tuple[int, int], statistics: Mapping[str, Any]
) -> View:
    """The view of the frames of a dataset for images of `image_size`, which with random crops are parts of it."""
    height, width = dataset.height, dataset.width
    if config.data.crop == "random":
        image_size = full_frame_size(height, width, image_size, config.data.random_resize)
    return crop_view(height, width, image_size, config.data.crop, statistics)


def _mismatch_error(folder: Path, dataset: Dataset, config: Config) -> DatasetMismatchError:
    names = dataset.manifest.conditioner_names
    required = describe_conditioners(config) or f"conditions, which model={config.model} is trained on"
    prepare = prepare_arguments(config) or "a conditioner, such as --conditioner edges"
    return DatasetMismatchError(
        f"{folder} was prepared with {' and '.join(names)}; the preset needs {required}.",
        f"Prepare the video with {prepare}, or use another preset: {train_command(folder, names)}",
    )


def _enabled_regions(config: Config, conditioners: Sequence[Conditioner]) -> tuple[str, ...]:
    """The regions of the config that a conditioner provides. Raises ConfigError (a strict region is not available)."""
    available_names = available_region_names(conditioners)
    for name in config.discriminators.region.names:
        if name not in available_names and config.discriminators.region.strict:
            raise ConfigError(
                f"discriminators.region.names: {join_names(conditioners)} does not provide the region {name!r}.",
                f"Available regions: {', '.join(available_names)}."
                if available_names
                else "Set discriminators.region.names=[].",
            )
    return tuple(name for name in config.discriminators.region.names if name in available_names)


def open_data_for_checkpoint(folder: Path, metadata: CheckpointMetadata, checkpoint: Path) -> TrainingData:
    """Open a dataset with the conditioners, crop and image size of a checkpoint.

    Raises MissingFileError, DatasetError, DatasetMismatchError (a conditioner is missing), PluginError.
    """
    dataset = Dataset(folder)
    manifest = dataset.manifest
    conditioner_names = manifest.conditioner_names
    required_names = [conditioner.name for conditioner in metadata.conditioners]
    for name in required_names:
        if name not in (*conditioner_names, FRAME_CONDITIONER):
            raise DatasetMismatchError(
                f"{folder} was prepared with {' and '.join(conditioner_names)}; {checkpoint} needs {name}.",
                f"vid2vid prepare --conditioner {name} VIDEO",
            )
    conditioners = load_conditioners([(conditioner.name, conditioner.options) for conditioner in metadata.conditioners])
    statistics = merge_statistics([dataset.statistics(name) for name in required_names])
    view = crop_view(manifest.height, manifest.width, metadata.output_size, metadata.crop, statistics)
    return TrainingData(dataset=dataset, conditioners=conditioners, view=view)
