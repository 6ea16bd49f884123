"""What is learned: a dataset, opened with its conditioners, and the part of it that the model sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import Conditioner, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.config.model import Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError, MissingFileError
from vid2vid_cli.core.nouns import ConditionLayout, StyleShape
from vid2vid_cli.data.clips import ClipSampler
from vid2vid_cli.data.dataset import Dataset, newest_dataset
from vid2vid_cli.data.framing import frame_view, whole_picture
from vid2vid_cli.data.manifest import Manifest
from vid2vid_cli.data.regions import offered
from vid2vid_cli.data.variation import Variation
from vid2vid_cli.engine.checkpoint import CheckpointInfo, ConditionerUse
from vid2vid_cli.engine.style_bank import StyleBank
from vid2vid_cli.pipelines.foreground import channels_of, things_of

DATASETS = Path("datasets")
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
            regions=config.region.names,
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


def choose_dataset(named: Path | None, config: Config, preset: str) -> Path:
    """The dataset named, or the newest under datasets/ that fits the settings.

    Raises MissingFileError (there is none), DatasetMismatchError (none of these conditioners).
    """
    if named is not None:
        return named
    found = newest_dataset(DATASETS, lambda manifest: config.takes(manifest.conditioner_names))
    if found is not None:
        return found
    remedy = f"Make one: vid2vid prepare {conditioner_words(config) or '--conditioner landmarks'} video.mp4"
    if newest_dataset(DATASETS, lambda manifest: True) is not None:
        needs = f"has {wanted_words(config)}, as {preset or 'this'} needs"
        raise DatasetMismatchError(f"no dataset under {DATASETS}/ {needs}.", remedy)
    raise MissingFileError(f"there is no dataset under {DATASETS}/ to learn from.", remedy)


def wanted_words(config: Config) -> str:
    """The conditioners that settings ask for, for people: `labels or segmentation, and edges`."""
    return ", and ".join(" or ".join(choice) for choice in config.choices())


def conditioner_words(config: Config) -> str:
    """How to ask `prepare` for them: `--conditioner labels --conditioner edges`."""
    return " ".join(f"--conditioner {choice[0]}" for choice in config.choices())


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
    regions_of(config, conditioners)
    part = picture if config.data.crop == "random" else None
    if part is not None:
        picture = whole_picture(manifest.height, manifest.width, part, config.data.scale)
    view = frame_view(manifest.height, manifest.width, picture, config.data.crop, statistics)
    return Subject(dataset, conditioners, view, part)


def regions_of(config: Config, conditioners: Sequence[Conditioner]) -> tuple[str, ...]:
    """The regions that are named and that some conditioner finds. Raises ConfigError where one must be and is not."""
    known = offered(conditioners)
    for name in config.region.names:
        if name not in known and config.region.required:
            having = " and ".join(conditioner.spec.name for conditioner in conditioners)
            raise ConfigError(
                f"region.names: {having} cannot say where {name!r} is.",
                f"There are: {', '.join(known)}." if known else "Set region.names=[] to do without.",
            )
    return tuple(name for name in config.region.names if name in known)


def drawn_as_set(manifest: Manifest, config: Config) -> tuple[Conditioner, ...]:
    """The conditioners of a dataset, with `conditioner_options` over the options it was prepared with.

    Raises PluginError, ConfigError: an option that does not exist, or one that says how things are found.
    """
    names = manifest.conditioner_names
    expected = {*names, *(name for choice in config.choices() for name in choice)}
    for name in config.conditioner_options:
        if name not in expected:
            raise ConfigError(
                f"conditioner_options.{name}: {manifest.name} was prepared with {' and '.join(names)}.",
                f"Leave it out, or prepare the video with --conditioner {name}.",
            )
    uses = []
    for record in manifest.conditioners:
        given = config.conditioner_options.get(record.name, {})
        _check_drawing(record.name, given)
        uses.append((record.name, {**record.options, **given}))
    return load_conditioners(uses)


def _check_drawing(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options that act in `prepare`: they cannot change what was found there."""
    kind = type(load_conditioner(name).options) if options else None
    for option in options:
        if kind is None or option not in kind.model_fields or option in kind.names("drawing"):
            continue  # an unknown one is refused, with the nearest name, where all of them are read
        drawing = ", ".join(kind.names("drawing"))
        raise ConfigError(
            f"conditioner_options.{name}.{option}: says how things are found, which `prepare` has done already"
            + (f"; training may set {drawing}." if drawing else "."),
            f"Prepare the video again: vid2vid prepare --conditioner {name} --option {name}.{option}={options[option]} "
            "VIDEO",
        )


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


def load_conditioners(uses: Sequence[tuple[str, dict[str, Any]]]) -> tuple[Conditioner, ...]:
    """The conditioners of a dataset or a checkpoint, in their order. Raises PluginError, ConfigError."""
    return tuple(load_conditioner(name, options) for name, options in uses)


def merged_statistics(all_statistics: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first focus that any conditioner names."""
    return next(({"focus": found["focus"]} for found in all_statistics if found.get("focus")), {})
