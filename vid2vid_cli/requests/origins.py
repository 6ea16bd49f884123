"""The options of a request with the origin of their values, for reports."""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

HIDDEN_FIELDS = {"command", "config", "setting_origins", "chosen_settings"}


def option_rows(request: Any) -> list[tuple[str, str, str]]:
    """(name, value, "default" or "command line") of each field of a request, those of nested options included."""
    return list(_iterate_rows(request))


def _iterate_rows(request: Any) -> Iterator[tuple[str, str, str]]:
    for option in fields(request):
        value = getattr(request, option.name)
        if is_dataclass(value):
            yield from _iterate_rows(value)
        elif option.name not in HIDDEN_FIELDS:
            origin = "default" if value == _default(option) else "command line"
            yield option.name.replace("_", " "), _format(value), origin


def _default(option: Field[Any]) -> Any:
    if option.default_factory is not MISSING:
        return option.default_factory()
    return option.default


def _format(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items()) or "none"
    return str(value)
