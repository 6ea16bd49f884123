"""Conversion of plain data to values that JSON supports. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def to_json_value(data: Any) -> Any:
    """Convert to JSON types: NaN and infinity become null, tuples lists, keys and other objects strings."""
    if isinstance(data, Mapping):
        return {str(key): to_json_value(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [to_json_value(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data if isinstance(data, (str, int, float, bool)) or data is None else str(data)
