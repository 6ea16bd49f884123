"""Names that are near."""

from __future__ import annotations

import pytest

from vid2vid_cli.core.suggest import did_you_mean


@pytest.mark.parametrize(
    ("name", "words"),
    [("Caar", "Did you mean Car?"), ("SKYE", "Did you mean sky?"), ("roat", "Did you mean root or Road?"), ("x", "")],
)
def test_what_is_near_is_named_as_it_is_written(name: str, words: str) -> None:
    assert did_you_mean(name, ["Car", "sky", "Road", "root"]) == words
