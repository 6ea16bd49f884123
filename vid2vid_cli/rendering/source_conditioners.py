"""The conditioners of a checkpoint with the options for another source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, ConditionerConfig

ConditionerOptions = Mapping[str, Mapping[str, str]]
"""Conditioner name -> option -> value."""


def load_source_conditioners(metadata: CheckpointMetadata, options: ConditionerOptions) -> tuple[Conditioner, ...]:
    """The conditioners of a checkpoint; `options` override the options that the checkpoint stores.

    Raises PluginError; ConfigError for an unknown conditioner or option, for an option that changes how conditions are
    rendered, and for options that change the number of channels.
    """
    names = [config.name for config in metadata.conditioners]
    for name in options:
        if name not in names:
            raise ConfigError(
                f"{name} is not a conditioner of {metadata.name}, which was trained with {' and '.join(names)}.",
                f"Remove its options, or set --conditioner-option {names[0]}.KEY=VALUE.",
            )
    conditioners = load_conditioners(
        [
            (config.name, {**config.options_for_new_source, **options.get(config.name, {})})
            for config in metadata.conditioners
        ]
    )
    for conditioner, config in zip(conditioners, metadata.conditioners, strict=True):
        _check_options(conditioner, config, options.get(config.name, {}), metadata.name)
    return conditioners


def _check_options(
    conditioner: Conditioner, config: ConditionerConfig, options: Mapping[str, str], checkpoint_name: str
) -> None:
    """Raise ConfigError if options change the conditions that the generator was trained with."""
    render_options = [name for name in options if name in conditioner.options.names_with_role("rendering")]
    if render_options:
        key = f"{config.name}.{render_options[0]}"
        raise ConfigError(
            f"{key} changes how the condition is rendered and cannot differ from the training of {checkpoint_name}.",
            f"Remove the option, or train with --set conditioner_options.{key}={options[render_options[0]]}.",
        )
    if conditioner.num_channels != config.channels:
        options_text = ", ".join(f"{config.name}.{option}={value}" for option, value in options.items())
        raise ConfigError(
            f"{options_text}: {config.name} has {conditioner.num_channels} channels, but {checkpoint_name} needs "
            f"{config.channels}.",
            "Remove that option.",
        )


def require_input_files(metadata: CheckpointMetadata, conditioners: Sequence[Conditioner]) -> None:
    """Raise MissingFileError if a conditioner without a detector has no input files."""
    for conditioner in conditioners:
        name = conditioner.spec.name
        if not conditioner.has_detector and getattr(conditioner.options, conditioner.input_option) is None:
            raise MissingFileError(
                f"{metadata.name} needs {name}, which cannot be detected, and no files are given.",
                f"Set --conditioner-option {name}.{conditioner.input_option}=FOLDER; or render a label video: "
                "vid2vid synthesize CKPT LABELS",
            )
