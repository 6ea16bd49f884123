"""The option `person`: which person is tracked if a frame shows several; `--person` sets it for all conditioners."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator

from vid2vid_cli.core.errors import ConfigError

PERSON_OPTION = "person"


def parse_person(value: Any) -> str:
    """Return `largest`, `centre`, or a number from 1, normalised. Raises: ValueError."""
    text = str(value).strip().lower()
    text = {"center": "centre"}.get(text, text)
    if text in ("largest", "centre") or re.fullmatch("0*[1-9][0-9]{0,3}", text):
        return text
    raise ValueError(f"invalid person {value!r}: use largest, centre or a number (1 = leftmost)")


PersonOption = Annotated[str, BeforeValidator(parse_person)]
"""Type of the option `person` of a conditioner that tracks people."""


def add_person_option(
    options: Mapping[str, Mapping[str, str]], conditioner_names: Sequence[str], person: str | None
) -> dict[str, dict[str, str]]:
    """Return `options` (conditioner -> option -> value) with `person` set for every conditioner that has the option.

    Values in `options` take precedence. None changes nothing.

    Raises: ConfigError (no conditioner has the option, or `person` is invalid), PluginError.
    """
    from vid2vid_cli.conditioning.registry import load_conditioner

    merged_options = {name: dict(values) for name, values in options.items()}
    if person is None:
        return merged_options
    try:
        parse_person(person)
    except ValueError as error:
        raise ConfigError(f"--person: {error}.", "Set --person largest, --person centre, or --person 2.") from error
    tracking_names = [
        name for name in conditioner_names if PERSON_OPTION in type(load_conditioner(name).options).model_fields
    ]
    if not tracking_names:
        raise ConfigError(
            f"--person {person} has no effect: {' and '.join(conditioner_names)} does not track people.",
            "Remove --person, or use the conditioner pose or landmarks.",
        )
    for name in tracking_names:
        merged_options[name] = {PERSON_OPTION: person, **merged_options.get(name, {})}
    return merged_options
