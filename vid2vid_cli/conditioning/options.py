"""Options of a conditioner: the base class, the roles of its fields, and the parser for command-line values."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.parsing import parse_json, shorten
from vid2vid_cli.core.paths import check_input_path

OptionRole = Literal["detection", "rendering", "input"]
"""What an option affects: the annotations, their rendering, or which files are read."""


class Options(BaseModel):
    """Base class of a conditioner's options. Instances are frozen; unknown option names raise a validation error.

    A plain `Field` affects detection: after a change, `prepare` must run again. An `input_path_option` names files
    that belong to one video. A `render_option` affects only `render`, `visualize` and `augment`, and may be changed
    for each training run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    legacy_values: ClassVar[Mapping[str, Any]] = {}
    """Values of the options that datasets and checkpoints do not store if they are older than the option."""

    @classmethod
    def names_with_role(cls, role: OptionRole) -> tuple[str, ...]:
        """Return the names of the options with this role."""
        return tuple(name for name, field in cls.model_fields.items() if option_role(field) == role)

    def persistent_values(self) -> dict[str, Any]:
        """Return the values that datasets and checkpoints store, as JSON data: all except the input paths."""
        return self.model_dump(mode="json", exclude=set(self.names_with_role("input")))


OptionsT = TypeVar("OptionsT", bound=Options)


def option_role(field: FieldInfo) -> OptionRole:
    """Return the role of an option."""
    extra = field.json_schema_extra
    return cast("OptionRole", extra["role"]) if isinstance(extra, dict) and "role" in extra else "detection"


def input_path_option(description: str) -> Any:
    """Declare an option `Path | None` for files that belong to one video (a folder or a file).

    The default is None. The value is not stored in datasets or checkpoints.
    """
    return Field(None, description=description, json_schema_extra={"role": "input"})


def render_option(default: Any, description: str, *, ge: float | None = None, le: float | None = None) -> Any:
    """Declare an option that affects rendering but not detection. It may be changed for each training run."""
    return Field(default, description=description, ge=ge, le=le, json_schema_extra={"role": "rendering"})


def parse_options(name: str, options_class: type[OptionsT], values: Mapping[str, Any]) -> OptionsT:
    """Create the options of the conditioner `name`; strings are parsed as numbers, true/false, null or JSON lists.

    Raises: ConfigError (lists every unknown option and every invalid value), MissingFileError (a path too long).
    """
    unknown_keys = [key for key in values if key not in options_class.model_fields]
    if unknown_keys:
        raise _unknown_option_error(name, options_class, unknown_keys)
    try:
        options = options_class.model_validate(
            {key: _parse_value(options_class, key, value) for key, value in values.items()}
        )
    except ValidationError as error:
        messages = [_describe_problem(name, problem) for problem in error.errors()]
        raise ConfigError("; ".join(messages) + ".", _list_options(name, options_class)) from error
    for option_name in options.names_with_role("input"):
        path = getattr(options, option_name)
        if isinstance(path, Path):
            check_input_path(path)
    return options


def _unknown_option_error(name: str, options_class: type[Options], keys: list[str]) -> ConfigError:
    suggestions = [match for key in keys for match in get_close_matches(key, options_class.model_fields, n=1)]
    message = "; ".join(f"{name}.{key}: not an option of {name}" for key in keys) + "."
    if suggestions:
        return ConfigError(message, "Did you mean " + ", ".join(f"{name}.{key}" for key in suggestions) + "?")
    return ConfigError(message, _list_options(name, options_class))


def _list_options(name: str, options_class: type[Options]) -> str:
    names = ", ".join(options_class.model_fields)
    return f"The options of {name}: {names}." if names else f"{name} has no options."


def _describe_problem(name: str, problem: Any) -> str:
    option_path = ".".join(str(part) for part in (name, *problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ")
    return f"{option_path}={shorten(problem['input'])}: {message[:1].lower()}{message[1:]}"


def _parse_value(options_class: type[Options], key: str, value: Any) -> Any:
    """Convert null and JSON lists, which pydantic does not parse from strings."""
    if not isinstance(value, str) or options_class.model_fields[key].annotation is str:
        return value
    if value.strip().lower() in ("null", "none"):
        return None
    if value.lstrip()[:1] in ("[", "{"):
        try:
            return parse_json(value)
        except ValueError:
            return value
    return value
