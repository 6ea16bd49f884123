"""Exit codes: unique, documented, and the ones that docs/errors.md lists."""

from __future__ import annotations

import re
from pathlib import Path

from vid2vid_cli.core import errors

DOCS = Path(__file__).resolve().parents[2] / "docs" / "errors.md"


def error_codes() -> dict[str, int]:
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.Vid2VidError) and value.__module__ == errors.__name__
    ]
    return {cls.__name__: cls.exit_code for cls in classes if cls is not errors.Vid2VidError}


def test_exit_codes_are_unique() -> None:
    codes = error_codes()
    assert len(set(codes.values())) == len(codes) >= 25


def test_exit_codes_are_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: int(code) for code, name in rows}
    assert documented.pop("InternalError") == 70
    assert documented == error_codes()
