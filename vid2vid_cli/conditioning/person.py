"""Who is meant where several people are seen: the option `person`, and `--person` for all that have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator

from vid2vid_cli.core.errors import ConfigError

OPTION = "person"


def check_person(value: Any) -> str:
    """Who is wanted: `largest`, `centre`, or a number from 1. Raises: ValueError."""
    text = str(value).strip().lower()
    text = {"center": "centre"}.get(text, text)
    if text in ("largest", "centre") or (text.isdecimal() and int(text) >= 1):
        return text
    raise ValueError(f"{value} is nobody: write largest, centre, or 1, 2, ... from left to right")


Person = Annotated[str, BeforeValidator(check_person)]
"""Type of the option `person` of a conditioner that follows people."""


def with_person(
    options: Mapping[str, Mapping[str, str]], names: Sequence[str], who: str | None
) -> dict[str, dict[str, str]]:
    """Options (conditioner -> option -> value) with `who` for each of the conditioners `names` that follows people.

    What `options` say goes first; None changes nothing.

    Raises: ConfigError (none of them follows anybody, or `who` is nobody), PluginError.
    """
    from vid2vid_cli.conditioning.registry import load_conditioner

    given = {name: dict(values) for name, values in options.items()}
    if who is None:
        return given
    try:
        check_person(who)
    except ValueError as error:
        raise ConfigError(f"--person {error}.", "Such as --person largest, --person centre, or --person 2.") from error
    following = [name for name in names if OPTION in type(load_conditioner(name).options).model_fields]
    if not following:
        raise ConfigError(
            f"--person {who} chooses among people, and {' and '.join(names)} follows nobody.",
            "Leave it out; pose and landmarks follow people.",
        )
    for name in following:
        given[name] = {OPTION: who, **given.get(name, {})}
    return given
