"""A dataset opened for training: its conditioners, and the view of its frames that the model uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import Conditioner, View
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.core.model_specs import ConditionSpec, StyleEncoderSpec
from vid2vid_cli.data.augmentation import ClipAugmentation
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.cropping import describe_view
from vid2vid_cli.data.dataset import Dataset, valid_ranges
from vid2vid_cli.data.frame_attributes import FrameAttribute, load_frame_attributes, scale_attributes
from vid2vid_cli.data.reference_selection import ReferenceSource
from vid2vid_cli.data.unpaired_sampler import DOMAIN_B_SEED, UnpairedSampler
from vid2vid_cli.engine.checkpoint_metadata import (
    AttributeDirection,
    CheckpointMetadata,
    ConditionerConfig,
    ReferenceRecord,
)
from vid2vid_cli.engine.style_bank import StyleBank
from vid2vid_cli.training_data.dataset_conditioners import (
    class_channel_indices,
    thing_class_ids,
)
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
    domain_b: TrainingData | None = None
    """The other domain of an unpaired model."""

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
                statistics=self.dataset.statistics(conditioner.spec.name),
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

    @property
    def folder_b(self) -> Path | None:
        """The dataset of domain B; None without one."""
        return None if self.domain_b is None else self.domain_b.dataset.folder

    def build_sampler(self, config: Config, max_reference_ratio: float = MAX_RESOLUTION_RATIO) -> ClipSampler:
        """Build the clip sampler with the augmentation of the config. Raises TooFewFramesError.

        `max_reference_ratio`: as in `collect_references`.
        """
        sampler = self._build_sampler(config, config.runtime.seed, max_reference_ratio)
        if self.domain_b is None:
            return sampler
        seed_b = config.runtime.seed + DOMAIN_B_SEED
        return UnpairedSampler(sampler, self.domain_b._build_sampler(config, seed_b, max_reference_ratio))

    def _build_sampler(self, config: Config, seed: int, max_reference_ratio: float) -> ClipSampler:
        return ClipSampler(
            self.dataset,
            self.conditioners,
            self.view,
            seed=seed,
            batch_size=config.schedule.batch_size,
            augmentation=ClipAugmentation(
                max_translate=config.augmentation.max_translate,
                max_zoom=config.augmentation.max_zoom,
                crop_size=self.crop_size,
                random_resize=config.data.random_resize,
                max_frame_stride=config.augmentation.max_frame_stride,
                hflip_prob=config.augmentation.hflip_prob,
                subject_translate_prob=config.augmentation.subject_translate_prob,
                max_subject_translate=config.augmentation.max_subject_translate,
            ),
            region_names=self.region_names,
            is_label_prediction=config.generator.target == "labels",
            thing_class_ids=thing_class_ids(self.conditioners, config) if config.style.feature_channels else None,
            reference_source=self._collect_references(config, max_reference_ratio),
            attributes=self._scale_attributes(config),
        )

    def _scale_attributes(self, config: Config) -> list[FloatArray] | None:
        """The attributes in the batches; None for a model whose batches have none."""
        return scale_attributes(self.load_attributes(config), self.dataset) if config.model == "fader" else None

    def load_attributes(self, config: Config) -> list[FrameAttribute]:
        """The attributes of all frames (model=fader, vaegan). Raises the errors of `load_frame_attributes`."""
        return load_frame_attributes(
            config.data.attributes_file,
            config.generator.attributes,
            self.dataset,
            lambda: load_conditioners([(record.name, record.options) for record in self.dataset.manifest.conditioners]),
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
        attribute_directions: Sequence[AttributeDirection] = (),
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
            attribute_directions=tuple(attribute_directions),
        )
