"""Options of a conditioner as typed on a command line, turned into the plugin's own pydantic model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError

from vid2vid_cli.conditioning.conditioner import Options
from vid2vid_cli.core.errors import ConfigError

Kind = TypeVar("Kind", bound=Options)


def parse_options(name: str, kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    """The options `kind` of the conditioner `name`; strings are read as numbers, true/false, null, lists as needed.

    Raises: ConfigError, which names every option that does not exist or does not fit.
    """
    unknown = [key for key in values if key not in kind.model_fields]
    if unknown:
        raise _unknown(name, kind, unknown)
    try:
        return kind.model_validate({key: _value(kind, key, value) for key, value in values.items()})
    except ValidationError as error:
        lines = [_line(name, problem) for problem in error.errors()]
        raise ConfigError("; ".join(lines) + ".", _all(name, kind)) from error


def _unknown(name: str, kind: type[Options], keys: list[str]) -> ConfigError:
    close = [match for key in keys for match in get_close_matches(key, kind.model_fields, n=1)]
    message = "; ".join(f"{name}.{key}: not an option of {name}" for key in keys) + "."
    if close:
        return ConfigError(message, "Did you mean " + ", ".join(f"{name}.{key}" for key in close) + "?")
    return ConfigError(message, _all(name, kind))


def _all(name: str, kind: type[Options]) -> str:
    names = ", ".join(kind.model_fields)
    return f"The options of {name}: {names}." if names else f"{name} has no options."


def _line(name: str, problem: Any) -> str:
    where = ".".join(str(part) for part in (name, *problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}={problem['input']!r}: {message[:1].lower()}{message[1:]}"


def _value(kind: type[Options], key: str, value: Any) -> Any:
    """A string as pydantic wants it: null and JSON lists are its only blind spots."""
    if not isinstance(value, str) or kind.model_fields[key].annotation is str:
        return value
    if value.strip().lower() in ("null", "none"):
        return None
    if value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
