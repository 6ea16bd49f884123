"""The language of messages, docstrings, presets and docs: plain technical English (a short list of banned words)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
SOURCE_FILES = sorted(
    path for folder in ("vid2vid_cli", "plugins", "benchmarks") for path in (REPO / folder).rglob("*.py")
)
TEXT_FILES = [REPO / "README.md", REPO / "CHANGELOG.md", *sorted((REPO / "docs").glob("*.md"))]
TEXT_FILES += sorted((REPO / "presets").glob("*.yaml"))
TEXT_FILES += sorted((REPO / "vid2vid_cli" / "tools" / "plugin_template").rglob("*.txt"))

BANNED = re.compile(
    r"""\b(
        mend(s|ed|ing)? | nobody | somebody | whoever | told | stills | judge[sd]? | judg(e)?ments? | easel | painter
        | for\ people | at\ hand | by\ heart | anew | goes\ on | went\ on | of\ which | as\ it\ is\ said
        | is\ said | are\ said | says? | saying | sees | saw | looks?\ at | looked\ at | has\ learned | what\ there\ is
        | teacher | lane | besides | in\ vain | dear | riddle
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)


def string_literals(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of every string constant of more than one word: docstrings, messages and help."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def banned_words(lines: Iterator[tuple[int, str]]) -> list[str]:
    return [f"line {line}: {match[0]!r} in {text!r}" for line, text in lines for match in BANNED.finditer(text)]


def file_id(path: Path) -> str:
    return str(path.relative_to(REPO))


@pytest.mark.parametrize("path", SOURCE_FILES, ids=file_id)
def test_source_strings_contain_no_banned_words(path: Path) -> None:
    assert banned_words(string_literals(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", TEXT_FILES, ids=file_id)
def test_text_files_contain_no_banned_words(path: Path) -> None:
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    assert banned_words(iter(lines)) == []


@pytest.mark.parametrize("text", ["Mend the file.", "nobody is there", "It is said why.", "the network sees frames"])
def test_banned_words_are_found(text: str) -> None:
    assert banned_words(string_literals(f"raise ValueError({text!r})")) != []


def test_banned_words_ignores_identifiers() -> None:
    assert banned_words(string_literals("told = {'judge': 1}")) == []
