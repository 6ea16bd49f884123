"""Byte ranges of files."""

from __future__ import annotations

import pytest

from vid2vid_cli.local_http.file_response import parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-30", (70, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=0-1,5-6", None),  # several ranges: all of the file
        ("bytes=9-3", None),
        ("bytes=-", None),
        ("lines=0-3", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_parse_range(header: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=250-260", "bytes=-0"])
def test_parse_range_outside_the_file_is_an_error(header: str) -> None:
    with pytest.raises(ValueError, match="of 100"):
        parse_range(header, 100)
