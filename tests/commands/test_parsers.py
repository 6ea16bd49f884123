"""Words of the command line as parsers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import typer

from vid2vid_cli.commands import parsers


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("0.5h", 1800), ("1m5s", 65)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parsers.duration(text) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("12.5", 12.5), ("1:30", 90), ("1:02:03.5", 3723.5), ("90s", 90)])
def test_moments(text: str, seconds: float) -> None:
    assert parsers.moment(text) == seconds


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("25", Fraction(25)),
        ("24", Fraction(24)),
        ("29.97", Fraction(30000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("23.98", Fraction(24000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("12.5", Fraction(25, 2)),
    ],
)
def test_rates_are_exact(text: str, exact: Fraction) -> None:
    assert parsers.rate(text) == exact


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (parsers.duration, "soon"),
        (parsers.duration, ""),
        (parsers.duration, "0s"),
        (parsers.moment, "1:2:3:4"),
        (parsers.moment, "-3"),
        (parsers.moment, "nan"),
        (parsers.rate, "0"),
        (parsers.rate, "1/0"),
        (parsers.rate, "fast"),
        (parsers.device, "gpu"),
        (parsers.device, "cuda:x"),
    ],
)
def test_nonsense_is_a_usage_error(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read(text)


def test_options_are_sorted_by_conditioner() -> None:
    typed = ["edges.low=50", "landmarks.backend=dlib", "edges.note=a=b"]
    assert parsers.conditioner_options(typed, ["edges", "landmarks"]) == {
        "edges": {"low": "50", "note": "a=b"},
        "landmarks": {"backend": "dlib"},
    }
    with pytest.raises(typer.BadParameter, match="pose is not among"):
        parsers.conditioner_options(["pose.size=3"], ["edges"])
    with pytest.raises(typer.BadParameter, match=r"NAME\.OPTION=VALUE"):
        parsers.conditioner_options(["low=3"], ["edges"])
