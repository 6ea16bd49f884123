"""Text in columns."""

from __future__ import annotations

import pytest

from vid2vid_cli.core.text_columns import align_columns, fold_columns, wrap_rows

ROWS = [
    ("ok", "torch", "word " * 30, "pip install --no-deps torch"),
    ("FAILED", "a name that is longer than all", "detail", ""),
    ("-", "x", "", ""),
]


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_wrap_rows_keeps_all_words_within_the_width(width: int) -> None:
    lines = wrap_rows(ROWS, width).splitlines()
    assert " ".join(lines).split() == " ".join(" ".join(row) for row in ROWS).split()
    assert max(map(len, lines)) <= max(width, 15 + 30)
    assert all(line == line.rstrip() for line in lines)


def test_wrap_rows_aligns_texts_and_breaks_after_long_names() -> None:
    lines = wrap_rows(ROWS, 60).splitlines()
    assert lines[0].startswith("ok      torch  word word")
    assert {line.index(line.lstrip()) for line in lines[1:5]} == {15}
    assert lines[-3:] == ["FAILED  a name that is longer than all", " " * 15 + "detail", "-       x"]


def test_wrap_rows_keeps_long_words_whole() -> None:
    path = "/folder" * 30
    assert path in "".join(wrap_rows([("ok", "weights", f"see {path}.")], 40)).split()[-1]


def test_wrap_rows_and_align_columns_of_nothing_are_empty() -> None:
    assert wrap_rows([], 80) == align_columns([]) == ""


def test_fold_columns_repeats_the_first_column() -> None:
    rows = [["", "aaaa", "bb", "cccccccccc"], ["x", "1", "2", "3"]]
    assert fold_columns(rows, 80) == [rows]
    assert fold_columns(rows, 11) == [
        [["", "aaaa", "bb"], ["x", "1", "2"]],
        [["", "cccccccccc"], ["x", "3"]],
    ]
    assert len(fold_columns(rows, 1)) == 3
