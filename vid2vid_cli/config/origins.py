"""The origin of the value of every setting, as a run folder records it and its report shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import flatten_settings

DEFAULT_ORIGIN = "default"


def record_origins(requested: Config, used: Config, origins: Mapping[str, str]) -> dict[str, str]:
    """Dotted key -> origin, for the settings whose value is not the default's.

    `origins`: those of the requested settings. A value that `train` changed, such as the length of the warm-up in a
    short training, is marked as adjusted.
    """
    defaults, before, after = (_values(config) for config in (Config(), requested, used))
    recorded = {}
    for key, value in after.items():
        origin = origins.get(key, DEFAULT_ORIGIN)
        if before.get(key) != value:
            recorded[key] = f"adjusted to data and duration; {before.get(key)} from {origin}"
        elif origin != DEFAULT_ORIGIN:
            recorded[key] = origin
        elif defaults.get(key) != value:
            recorded[key] = "request"
    return recorded


def setting_rows(config: Config, origins: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(dotted key, value, origin) of every setting; `origins` as from `record_origins`."""
    return [(key, value, origins.get(key, DEFAULT_ORIGIN)) for key, value in _values(config).items()]


def _values(config: Config) -> dict[str, str]:
    return {key: _format(value) for key, value in flatten_settings(config.model_dump(mode="json"))}


def _format(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
