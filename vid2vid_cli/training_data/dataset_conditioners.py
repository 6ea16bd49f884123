"""Selection of a dataset by its conditioners, and its conditioners with the rendering options and classes of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.combine import instance_classes, join_names, label_conditioner_index, load_conditioners
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.config.config import Config
from vid2vid_cli.config.style import THING_CLASSES
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError, MissingFileError
from vid2vid_cli.core.suggest import suggest_names
from vid2vid_cli.data.dataset import DATASETS_FOLDER, find_newest_dataset
from vid2vid_cli.data.manifest import Manifest, read_manifest
from vid2vid_cli.training_data.preset_choice import train_command


def find_dataset(requested: Path | None, config: Config, preset: str) -> Path:
    """The requested dataset, or the newest one under datasets/ whose conditioners match the config.

    Raises MissingFileError (no datasets), DatasetMismatchError (none has the conditioners of the config).
    """
    if requested is not None:
        return requested
    newest = find_newest_dataset(DATASETS_FOLDER, lambda manifest: config.accepts(manifest.conditioner_names))
    if newest is not None:
        return newest
    hint = f"Create one: vid2vid prepare {prepare_arguments(config) or '--conditioner landmarks'} video.mp4"
    other = find_newest_dataset(DATASETS_FOLDER, lambda manifest: True)
    if other is not None:
        source_name = f"preset {preset}" if preset else "the config"
        names = read_manifest(other).conditioner_names
        raise DatasetMismatchError(
            f"{source_name} needs {describe_conditioners(config)}, which no dataset under {DATASETS_FOLDER}/ has; "
            f"{other} has {' and '.join(names)}.",
            f"Train on it: {train_command(other, names)}. {hint}",
        )
    raise MissingFileError(f"there is no dataset under {DATASETS_FOLDER}/.", hint)


def describe_conditioners(config: Config) -> str:
    """The conditioners that the config requires, as text: `labels or segmentation, and edges`."""
    return ", and ".join(" or ".join(choice) for choice in config.conditioner_alternatives())


def prepare_arguments(config: Config) -> str:
    """Arguments of `prepare` for these conditioners: `--conditioner labels --conditioner edges`."""
    return " ".join(f"--conditioner {choice[0]}" for choice in config.conditioner_alternatives())


def load_dataset_conditioners(manifest: Manifest, config: Config) -> tuple[Conditioner, ...]:
    """Load the conditioners of a dataset; `conditioner_options` of the config override the stored options.

    Raises PluginError, ConfigError (unknown option, or an option that only `prepare` can apply).
    """
    names = manifest.conditioner_names
    allowed_names = {*names, *(name for choice in config.conditioner_alternatives() for name in choice)}
    for name in config.conditioner_options:
        if name not in allowed_names:
            raise ConfigError(
                f"conditioner_options.{name}: {manifest.name} was prepared with {' and '.join(names)}.",
                f"Remove the option, or prepare the video with --conditioner {name}.",
            )
    names_and_options = []
    for record in manifest.conditioners:
        render_options = config.conditioner_options.get(record.name, {})
        _require_render_options(record.name, render_options)
        names_and_options.append((record.name, {**record.options, **render_options}))
    return load_conditioners(names_and_options)


def _require_render_options(name: str, options: Mapping[str, Any]) -> None:
    """Reject options of the annotation stage, which `prepare` has already run."""
    options_class = type(load_conditioner(name).options) if options else None
    for option in options:
        if (
            options_class is None
            or option not in options_class.model_fields
            or option in options_class.names_with_role("rendering")
        ):
            continue  # load_conditioners rejects unknown options and suggests similar names
        allowed_options = ", ".join(options_class.names_with_role("rendering"))
        raise ConfigError(
            f"conditioner_options.{name}.{option} affects the annotation, which `prepare` has already stored"
            + (f"; training can set {allowed_options}." if allowed_options else "."),
            f"Prepare the video again: vid2vid prepare --conditioner {name} "
            f"--conditioner-option {name}.{option}={options[option]} VIDEO",
        )


def class_channel_indices(conditioners: Sequence[Conditioner], names: Sequence[str]) -> tuple[int, ...]:
    """Indices of the condition channels of classes, by case-insensitive name. Raises ConfigError (unknown class)."""
    channels_by_name: dict[str, list[int]] = {}
    channel_offset = 0
    for conditioner in conditioners:
        for name, channel in conditioner.class_channels().items():
            channels_by_name.setdefault(name.casefold(), []).append(channel_offset + channel)
        channel_offset += conditioner.num_channels
    _require_classes("generator.foreground_classes", conditioners, names, channels_by_name)
    return tuple(sorted({channel for name in names for channel in channels_by_name[name.casefold()]}))


def thing_class_ids(conditioners: Sequence[Conditioner], config: Config) -> tuple[int, ...]:
    """Ids of the classes in `style.thing_classes`, by case-insensitive name; null: the default thing classes.

    Raises ConfigError: unknown class; or no class labels and a normalisation that removes a style that is constant
    over the frame.
    """
    names, norm = config.style.thing_classes, config.generator.norm
    if label_conditioner_index(conditioners) is None and norm != "group":
        raise ConfigError(
            f"style.feature_channels: {join_names(conditioners)} has no classes, so the style is constant over the "
            f"frame, and generator.norm={norm} removes constants.",
            "Add --set generator.norm=group, or set style.feature_channels=0.",
        )
    ids_by_name = {label_class.name.casefold(): label_class.id for label_class in instance_classes(conditioners)}
    if names is None:
        return tuple(sorted(ids_by_name[name] for name in THING_CLASSES if name in ids_by_name))
    _require_classes("style.thing_classes", conditioners, names, ids_by_name)
    return tuple(sorted({ids_by_name[name.casefold()] for name in names}))


def _require_classes(
    setting: str, conditioners: Sequence[Conditioner], names: Sequence[str], known_names: Collection[str]
) -> None:
    for name in names:
        if name.casefold() not in known_names:
            raise ConfigError(
                f"{setting}: {join_names(conditioners)} has no class {name!r}.",
                suggest_names(name, known_names) or f"Available classes: {', '.join(known_names) or 'none'}.",
            )
