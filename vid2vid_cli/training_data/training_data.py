"""A dataset opened for training: its conditioners, and the view of its frames that the model uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import Conditioner, View
from vid2vid_cli.conditioning.combine import join_names, load_conditioners, merge_statistics
from vid2vid_cli.conditioning.person import PERSON_OPTION
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError
from vid2vid_cli.core.types import ConditionSpec, StyleEncoderSpec
from vid2vid_cli.data.augmentation import ClipAugmentation
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.cropping import crop_view, describe_view, full_frame_size
from vid2vid_cli.data.dataset import Dataset, valid_ranges
from vid2vid_cli.data.reference_selection import ReferenceSource
from vid2vid_cli.data.regions import available_region_names
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, ConditionerConfig, ReferenceRecord
from vid2vid_cli.engine.styles import StyleBank
from vid2vid_cli.training_data.dataset_conditioners import (
    class_channel_indices,
    describe_conditioners,
    load_dataset_conditioners,
    prepare_arguments,
    thing_class_ids,
)
from vid2vid_cli.training_data.preset_choice import train_command
from vid2vid_cli.training_data.reference_collection import MAX_RESOLUTION_RATIO, collect_references

MAX_GAP_SHARE = 0.1
"""Largest gap between a clip and its references, as a part of the training frames: a short video has no others."""


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """A dataset with everything that training reads from it."""

    dataset: Dataset
    conditioners: tuple[Conditioner, ...]
    view: View
    """The view of a frame without augmentation."""
    crop_size: tuple[int, int] | None = None
    """(height, width) of random crops from frames of the size of the view; None: no random crops."""
    region_names: tuple[str, ...] = ()
    """Regions that the config names and a conditioner provides."""

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of training images."""
        return self.crop_size or (self.view.height, self.view.width)

    def describe_size(self) -> str:
        """The size of training images and the part of the dataset's frames that they show."""
        height, width = self.dataset.height, self.dataset.width
        if self.crop_size is not None:
            return f"{self.crop_size[1]}x{self.crop_size[0]}, random crops of {width}x{height}"
        return describe_view(self.view, height, width)

    @property
    def views(self) -> tuple[View, ...]:
        """The view repeated for each conditioner: in a dataset, all annotations refer to the same frames."""
        return (self.view,) * len(self.conditioners)

    @property
    def conditioner_configs(self) -> tuple[ConditionerConfig, ...]:
        """The conditioners as a checkpoint stores them."""
        return tuple(
            ConditionerConfig(
                name=conditioner.spec.name,
                options=conditioner.options.persistent_values(),
                channels=conditioner.num_channels,
                statistics=self.dataset.manifest.conditioner_record(conditioner.spec.name).statistics,
            )
            for conditioner in self.conditioners
        )

    def condition_spec(self, config: Config) -> ConditionSpec:
        """The concatenated condition channels of all conditioners. Raises ConfigError (unknown class)."""
        num_channels = sum(conditioner.num_channels for conditioner in self.conditioners)
        style_config = config.style
        style_encoder = (
            StyleEncoderSpec(style_config.feature_channels, style_config.base_channels, style_config.num_downsamples)
            if style_config.feature_channels
            else None
        )
        return ConditionSpec(
            num_channels, class_channel_indices(self.conditioners, config.generator.foreground_classes), style_encoder
        )

    def build_sampler(self, config: Config, max_reference_ratio: float = MAX_RESOLUTION_RATIO) -> ClipSampler:
        """Build the clip sampler with the augmentation of the config. Raises TooFewFramesError.

        `max_reference_ratio`: as in `collect_references`.
        """
        return ClipSampler(
            self.dataset,
            self.conditioners,
            self.view,
            seed=config.runtime.seed,
            batch_size=config.schedule.batch_size,
            augmentation=ClipAugmentation(
                max_translate=config.augmentation.max_translate,
                max_zoom=config.augmentation.max_zoom,
                crop_size=self.crop_size,
                random_resize=config.data.random_resize,
                max_frame_stride=config.augmentation.max_frame_stride,
                hflip_prob=config.augmentation.hflip_prob,
            ),
            region_names=self.region_names,
            is_label_prediction=config.generator.target == "labels",
            thing_class_ids=thing_class_ids(self.conditioners, config) if config.style.feature_channels else None,
            reference_source=self._collect_references(config, max_reference_ratio),
        )

    def _collect_references(self, config: Config, max_ratio: float) -> ReferenceSource | None:
        if not config.generator.num_references:
            return None
        ranges = valid_ranges(self.dataset, [c.spec.name for c in self.conditioners], "train")
        bank = collect_references(
            self.dataset,
            self.conditioners,
            self.view,
            ranges,
            bank_size=config.data.reference_bank_size,
            num_per_frame=config.generator.num_references,
            max_ratio=max_ratio,
        )
        num_frames = sum(frame_range.num_frames for frame_range in ranges)
        gap_frames = min(config.data.reference_gap * float(self.dataset.fps), MAX_GAP_SHARE * num_frames)
        return ReferenceSource(bank, round(gap_frames))

    def checkpoint_metadata(
        self,
        name: str,
        config: Config,
        training: dict[str, object],
        style_bank: StyleBank | None = None,
        references: ReferenceRecord | None = None,
    ) -> CheckpointMetadata:
        """Metadata of a checkpoint that is trained on this data."""
        manifest = self.dataset.manifest
        return CheckpointMetadata(
            name=name,
            model=config.model,
            generator=config.generator,
            foreground_indices=self.condition_spec(config).foreground_indices,
            initial_frames=config.schedule.initial_frames,
            conditioners=self.conditioner_configs,
            crop="subject" if config.data.crop == "subject" else "center",
            view=self.view.to_json(),
            height=manifest.height,
            width=manifest.width,
            fps=manifest.fps,
            training=training,
            created_by=f"vid2vid-cli {__version__}",
            style_bank=style_bank,
            training_config=config.model_dump(mode="json") if config.checkpoint.include_discriminators else None,
            references=references,
        )


def open_training_data(folder: Path, config: Config, size: tuple[int, int] | None = None) -> TrainingData:
    """Open a dataset with the crop, size and rendering options of the config.

    `size`: (height, width) of the training images; None: by the rule of the config.

    Raises MissingFileError, DatasetError, DatasetMismatchError, PluginError, ConfigError (invalid conditioner option,
    unknown region, image too small).
    """
    dataset = Dataset(folder)
    manifest = dataset.manifest
    if not config.accepts(manifest.conditioner_names):
        conditioner_names = " and ".join(manifest.conditioner_names)
        raise DatasetMismatchError(
            f"{folder} was prepared with {conditioner_names}; the preset needs {describe_conditioners(config)}.",
            f"Prepare the video with {prepare_arguments(config)}, or use another preset: "
            f"{train_command(folder, manifest.conditioner_names)}",
        )
    statistics = merge_statistics([record.statistics for record in manifest.conditioners])
    image_size = size or config.data.output_size(manifest.height, manifest.width, statistics.get("subject_box"))
    if size_error := config.size_error(*image_size):
        raise ConfigError(
            f"{size_error}; the frames of {folder} are {manifest.width}x{manifest.height}.",
            "Increase data.height or reduce generator.num_downsamples.",
        )
    conditioners = load_dataset_conditioners(manifest, config)
    region_names = _enabled_regions(config, conditioners)
    crop_size = image_size if config.data.crop == "random" else None
    if crop_size is not None:
        image_size = full_frame_size(manifest.height, manifest.width, crop_size, config.data.random_resize)
    view = crop_view(manifest.height, manifest.width, image_size, config.data.crop, statistics)
    return TrainingData(
        dataset=dataset, conditioners=conditioners, view=view, crop_size=crop_size, region_names=region_names
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
        if name not in conditioner_names:
            raise DatasetMismatchError(
                f"{folder} was prepared with {' and '.join(conditioner_names)}; {checkpoint} needs {name}.",
                f"vid2vid prepare --conditioner {name} VIDEO",
            )
    conditioners = load_conditioners([(conditioner.name, conditioner.options) for conditioner in metadata.conditioners])
    statistics = merge_statistics([manifest.conditioner_record(name).statistics for name in required_names])
    view = crop_view(manifest.height, manifest.width, metadata.output_size, metadata.crop, statistics)
    return TrainingData(dataset=dataset, conditioners=conditioners, view=view)


def options_for_new_source(config: ConditionerConfig) -> dict[str, Any]:
    """Options of a checkpoint's conditioner for another video: without `person`, which selects in one video."""
    return {name: value for name, value in config.options.items() if name != PERSON_OPTION}
