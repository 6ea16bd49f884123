"""Suggestions of similar names."""

from __future__ import annotations

import pytest

from vid2vid_cli.core.suggest import suggest_names


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("Caar", "Did you mean Car?"), ("SKYE", "Did you mean sky?"), ("roat", "Did you mean root or Road?"), ("x", "")],
)
def test_suggest_names_keeps_original_case(name: str, suggestion: str) -> None:
    assert suggest_names(name, ["Car", "sky", "Road", "root"]) == suggestion
