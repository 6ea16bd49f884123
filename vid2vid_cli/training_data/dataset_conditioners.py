"""The conditioners of a dataset, drawn as the settings of a run want them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.data.manifest import Manifest


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
