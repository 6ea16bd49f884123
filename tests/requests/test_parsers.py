"""Conversion of command-line text to values."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from vid2vid_cli.requests import parsers


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("0.5h", 1800), ("1m5s", 65)]
)
def test_duration_parses_units(text: str, seconds: float) -> None:
    assert parsers.duration(text) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("12.5", 12.5), ("1:30", 90), ("1:02:03.5", 3723.5), ("90s", 90)])
def test_timestamp_parses_clock_times(text: str, seconds: float) -> None:
    assert parsers.timestamp(text) == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_frame_rate_is_exact(text: str, expected: Fraction) -> None:
    assert parsers.frame_rate(text) == expected


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parsers.duration, "soon"),
        (parsers.duration, ""),
        (parsers.duration, "0s"),
        (parsers.timestamp, "1:2:3:4"),
        (parsers.timestamp, "-3"),
        (parsers.timestamp, "nan"),
        (parsers.frame_rate, "0"),
        (parsers.frame_rate, "1/0"),
        (parsers.frame_rate, "fast"),
        (parsers.device, "gpu"),
        (parsers.device, "cuda:x"),
    ],
)
def test_parsers_reject_invalid_text(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match="invalid"):
        parse(text)


def test_conditioner_options_group_by_conditioner() -> None:
    assignments = ["edges.low=50", "landmarks.backend=dlib", "edges.note=a=b"]
    assert parsers.conditioner_options(assignments) == {
        "edges": {"low": "50", "note": "a=b"},
        "landmarks": {"backend": "dlib"},
    }
    for text in ("low=3", "edges.low", ".low=3", "edges.=3"):
        with pytest.raises(ValueError, match=r"NAME\.KEY=VALUE"):
            parsers.conditioner_options([text])


def test_label_ids_parses_lists() -> None:
    assert parsers.label_ids("26") == (26,)
    assert parsers.label_ids(" 26, 24,26") == (24, 26)


@pytest.mark.parametrize("text", ["", "car", "24,", "-1", "1.5"])
def test_label_ids_rejects_other_text(text: str) -> None:
    with pytest.raises(ValueError, match="24,26"):
        parsers.label_ids(text)
