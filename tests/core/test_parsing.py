"""Parsers of JSON, YAML, numbers and names that may be damaged or hostile."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest

from vid2vid_cli.core.parsing import (
    MAX_YAML_CHARACTERS,
    check_file_name,
    check_frame_rate,
    check_statistics,
    parse_fraction,
    parse_json,
    parse_yaml,
    shorten,
)


def test_parse_yaml_reads_plain_values() -> None:
    text = "a: 1e-4\nb: [1, 2.5, true, null]\nc: {d: 'x'}\ne: 2024-01-01\nf: 0x10"
    assert parse_yaml(text) == {
        **{"a": 1e-4, "b": [1, 2.5, True, None], "c": {"d": "x"}},
        **{"e": "2024-01-01", "f": 16},
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x [*x]", "anchors"),
        ("a: &x 1\nb: *x", "anchors"),
        ("a: !!python/object:os.system 1", "tags"),
        ("!!timestamp 2024-13-45", "tags"),
        ("a: 1\na: 2", "duplicate key"),
        ("? [a]\n: 1", "key"),
        ("[" * 2000, "levels deep"),
        ("- " * 2000, "levels deep"),
        ("a: " + "9" * 5000, "64 bits"),
        ("a: 0x" + "f" * 50, "64 bits"),
        ("a: 0b_", "invalid literal"),
        ('"\\ud800"', "surrogate"),
        ("a" * (MAX_YAML_CHARACTERS + 1), "characters"),
        ("a: b: c", "line 1"),
    ],
)
def test_parse_yaml_rejects_other_texts(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "levels deep"),
        ("[" * 60 + "]" * 60, "levels deep"),
        ('{"a":' * 100_000, "levels deep"),
        ("9" * 1_000_000, "64 bits"),
        ('["\\ud800"]', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        ("{", "Expecting"),
    ],
)
def test_parse_json_rejects_other_texts(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_parse_json_reads_values() -> None:
    assert parse_json('{"a": [1, -2.5e3, "\\ud83d\\ude00", null]}') == {"a": [1, -2500.0, "😀", None]}


@pytest.mark.parametrize(
    ("text", "value"), [("25", 25), (" 29.97 ", Fraction(2997, 100)), ("30000/1001", Fraction(30000, 1001)), ("0", 0)]
)
def test_parse_fraction_is_exact(text: str, value: Fraction) -> None:
    assert parse_fraction(text) == value


@pytest.mark.parametrize("text", ["1e9999999", "1e-9999999", "1/0", "-1", "1/-2", "9" * 5000, "nan", "", "1/2/3", "٢٥"])
def test_parse_fraction_rejects_other_texts_at_once(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ValueError, match="is not a number"):
        parse_fraction(text)
    assert time.perf_counter() - start < 0.1


@pytest.mark.parametrize("text", ["0", "0/1", "100001"])
def test_check_frame_rate_rejects_values_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match="frame rate"):
        check_frame_rate(text)


@pytest.mark.parametrize("name", ["000", "zwei Köpfe", "人", ".hidden", "a..b", "-x"])
def test_check_file_name_accepts_one_component(name: str) -> None:
    assert check_file_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "/etc", "a/b", "a\\b", "C:", "c:x", "a\x00", "a\nb", "a\x1b[1m", "ä" * 200]
)
def test_check_file_name_rejects_paths(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        check_file_name(name)


@pytest.mark.parametrize(
    "statistics",
    [
        {"subject_box": [1, 2, 3]},
        {"subject_box": [5, 2, 3, 4]},
        {"subject_box": "abcd"},
        {"subject_box": ["1", 2, 3, 4]},
        {"class_shares": [1]},
        {"class_shares": {"road": "x"}},
        {"ground": {"far": [{"y": float("nan")}]}},
        {"height": float("inf")},
    ],
)
def test_check_statistics_rejects_other_values(statistics: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"subject_box|class_shares|finite"):
        check_statistics(statistics)


def test_check_statistics_returns_valid_values() -> None:
    statistics = {"subject_box": [1, 2, 3, 4.5], "class_shares": {"road": 0.5}, "ground": {"far": {"y": 1.0}}}
    assert check_statistics(statistics) == statistics
    assert check_statistics({}) == {}


def test_shorten_gives_one_short_line() -> None:
    assert shorten("a\nb") == "'a\\nb'"
    assert len(shorten(list(range(1000)))) == 80
    assert shorten(10**5000) == "a huge number"
