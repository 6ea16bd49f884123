"""What is learned: a dataset, opened with its conditioners, and the part of it that the model sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import Conditioner, View
from vid2vid_cli.conditioning.combine import load_conditioners, merged_statistics, names_of
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError
from vid2vid_cli.core.types import ConditionLayout, StyleShape
from vid2vid_cli.data.augmentation import Variation
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.cropping import frame_view, whole_picture
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.data.regions import offered
from vid2vid_cli.engine.checkpoint import CheckpointInfo, ConditionerUse
from vid2vid_cli.engine.style_bank import StyleBank
from vid2vid_cli.training_data.class_lookup import channels_of, things_of
from vid2vid_cli.training_data.dataset_conditioners import drawn_as_set
from vid2vid_cli.training_data.find_dataset import conditioner_words, wanted_words

PERSON = "person"
"""The option of conditioners that follow people: whom, counted in one video."""


@dataclass(frozen=True)
class Subject:
    """A dataset ready to be learned from."""

    dataset: Dataset
    conditioners: tuple[Conditioner, ...]
    view: View
    """What the model is shown where nothing is random."""
    part: tuple[int, int] | None = None
    """(height, width) of the parts that training cuts anywhere out of frames as large as in the view; None: none."""
    regions: tuple[str, ...] = ()
    """Those that settings name and some conditioner finds."""

    @property
    def picture(self) -> tuple[int, int]:
        """(height, width) of the pictures of training."""
        return self.part or (self.view.height, self.view.width)

    @property
    def views(self) -> tuple[View, ...]:
        """The view once for each conditioner: of a dataset, all lie in the same frames."""
        return (self.view,) * len(self.conditioners)

    def layout(self, config: Config) -> ConditionLayout:
        """The condition channels of all conditioners, one below the other. Raises ConfigError (an unknown class)."""
        channels = sum(conditioner.channels for conditioner in self.conditioners)
        own = config.style
        style = StyleShape(own.features, own.width, own.downsamples) if own.features else None
        return ConditionLayout(channels, channels_of(self.conditioners, config.generator.foreground), style)

    def sampler(self, config: Config) -> ClipSampler:
        """Clips as the settings want them. Raises TooShortError."""
        return ClipSampler(
            self.dataset,
            self.conditioners,
            self.view,
            seed=config.engine.seed,
            batch=config.schedule.batch,
            vary=Variation(
                shift=config.data.shift,
                zoom=config.data.zoom,
                crop=self.part,
                scale=config.data.scale,
                frame_step=config.data.frame_step,
                flip=config.data.flip,
            ),
            regions=self.regions,
            of_labels=config.generator.draws == "labels",
            things=things_of(self.conditioners, config) if config.style.features else None,
        )

    def info(
        self, name: str, config: Config, training: dict[str, object], styles: StyleBank | None = None
    ) -> CheckpointInfo:
        """What a checkpoint of this subject must remember."""
        manifest = self.dataset.manifest
        uses = tuple(
            ConditionerUse(
                name=conditioner.spec.name,
                options=conditioner.options.lasting(),
                channels=conditioner.channels,
                statistics=manifest.conditioner(conditioner.spec.name).statistics,
            )
            for conditioner in self.conditioners
        )
        return CheckpointInfo(
            name=name,
            generator=config.generator,
            foreground=self.layout(config).foreground,
            first=config.schedule.first,
            conditioners=uses,
            crop="focus" if config.data.crop == "focus" else "whole",
            view=self.view.to_json(),
            height=manifest.height,
            width=manifest.width,
            fps=manifest.fps,
            training=training,
            created_by=f"vid2vid-cli {__version__}",
            styles=styles,
        )


def open_subject(folder: Path, config: Config) -> Subject:
    """Open a dataset as the settings want it seen and drawn.

    Raises MissingFileError, DatasetError, DatasetMismatchError, PluginError, ConfigError (an option of a conditioner
    that does not fit, a region that it does not know, a picture that is too small).
    """
    dataset = Dataset(folder)
    manifest = dataset.manifest
    if not config.takes(manifest.conditioner_names):
        have = " and ".join(manifest.conditioner_names)
        raise DatasetMismatchError(
            f"{folder} was prepared with {have}, and the preset needs {wanted_words(config)}.",
            f"Prepare it with {conditioner_words(config)}, or train with --preset tiny, which takes any.",
        )
    statistics = merged_statistics([record.statistics for record in manifest.conditioners])
    picture = config.data.picture(manifest.height, manifest.width, statistics.get("focus"))
    if words := config.too_small(*picture):
        raise ConfigError(
            f"{words}; the frames of {folder} are {manifest.width}x{manifest.height}.",
            "Set a larger data.size or fewer generator.downsamples.",
        )
    conditioners = drawn_as_set(manifest, config)
    regions = _regions(config, conditioners)
    part = picture if config.data.crop == "random" else None
    if part is not None:
        picture = whole_picture(manifest.height, manifest.width, part, config.data.scale)
    view = frame_view(manifest.height, manifest.width, picture, config.data.crop, statistics)
    return Subject(dataset, conditioners, view, part, regions)


def _regions(config: Config, conditioners: Sequence[Conditioner]) -> tuple[str, ...]:
    """The regions that are named and that some conditioner finds. Raises ConfigError where one must be and is not."""
    known = offered(conditioners)
    for name in config.region.names:
        if name not in known and config.region.required:
            raise ConfigError(
                f"region.names: {names_of(conditioners)} cannot say where {name!r} is.",
                f"There are: {', '.join(known)}." if known else "Set region.names=[] to do without.",
            )
    return tuple(name for name in config.region.names if name in known)


def open_for_checkpoint(folder: Path, info: CheckpointInfo, checkpoint: Path) -> Subject:
    """Open a dataset as a checkpoint sees it: its conditioners, and its part of the dataset's frames.

    Raises MissingFileError, DatasetError, DatasetMismatchError (it lacks a conditioner), PluginError.
    """
    dataset = Dataset(folder)
    manifest = dataset.manifest
    have = manifest.conditioner_names
    for use in info.conditioners:
        if use.name not in have:
            raise DatasetMismatchError(
                f"{folder} was prepared with {' and '.join(have)}, and {checkpoint} needs {use.name}.",
                f"vid2vid prepare --conditioner {use.name} VIDEO",
            )
    conditioners = load_conditioners([(use.name, use.options) for use in info.conditioners])
    statistics = merged_statistics([manifest.conditioner(use.name).statistics for use in info.conditioners])
    view = frame_view(manifest.height, manifest.width, info.picture, info.crop, statistics)
    return Subject(dataset, conditioners, view)


def of_other_footage(use: ConditionerUse) -> dict[str, Any]:
    """The options of a checkpoint's conditioner for other footage than it learned from: without whom it followed."""
    return {name: value for name, value in use.options.items() if name != PERSON}
