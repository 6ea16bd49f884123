"""Values for JSON, which has neither NaN nor infinity."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from vid2vid_cli.core.json_values import to_json_value


def test_to_json_value_converts_nested_data() -> None:
    data = {"loss": float("nan"), 3: (float("inf"), 1.5, True, None), "path": Path("a/b"), "fps": Fraction(25, 2)}
    assert to_json_value(data) == {"loss": None, "3": [None, 1.5, True, None], "path": "a/b", "fps": "25/2"}
