"""Descriptions of conditioner options."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from vid2vid_cli.conditioning import Options, input_path_option, render_option
from vid2vid_cli.tools.option_info import describe_options


class ExampleOptions(Options):
    """An option of each type and role."""

    method: Literal["fast", "exact"] = Field("fast", description="Algorithm.")
    threshold: float = Field(0.5, ge=0, le=1, description="Threshold.")
    num_parts: int = Field(2, gt=0, description="Number of parts.")
    scale: float | None = Field(None, ge=1, lt=4, description="Scale.")
    is_mirrored: bool = Field(False, description="Mirrored.")
    names: tuple[str, ...] = Field((), description="Names.")
    radius: float = render_option(3.0, "Radius.", ge=0.5)
    input_dir: Path | None = input_path_option("Folder of input files.")


@pytest.mark.parametrize(
    ("name", "allowed_values", "role"),
    [
        ("method", "fast | exact", "detection"),
        ("threshold", "number, 0 to 1", "detection"),
        ("num_parts", "integer, above 0", "detection"),
        ("scale", "number, at least 1 and below 4 or null", "detection"),
        ("is_mirrored", "true | false", "detection"),
        ("names", "list of text", "detection"),
        ("radius", "number, at least 0.5", "rendering"),
        ("input_dir", "path or null", "input"),
    ],
)
def test_describe_options_allowed_values_and_roles(name: str, allowed_values: str, role: str) -> None:
    options = {option.name: option for option in describe_options(ExampleOptions)}
    assert (options[name].allowed_values, options[name].role) == (allowed_values, role)


def test_option_table_row_shows_argument_and_default() -> None:
    option = next(iter(describe_options(ExampleOptions)))
    assert option.table_row("example") == (
        "--conditioner-option example.method",
        "fast",
        "fast | exact",
        "detection",
        "Algorithm.",
    )
