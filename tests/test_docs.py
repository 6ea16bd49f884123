"""The generated pages of the documentation are up to date."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from vid2vid_cli.config.resolve import setting_keys

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES: dict[Path, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_generated_pages_are_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == PAGES[path], "run: python docs/generate.py"


def test_configuration_page_lists_every_setting_with_meaning() -> None:
    rows = [line.split(" | ") for line in PAGES[DOCS / "configuration.md"].splitlines() if line.startswith("| `")]
    assert [row[0].strip("| `") for row in rows] == ["schema_version", *_top_level_first()]
    assert [row[0] for row in rows if not row[2].strip()] == []


def test_commands_page_lists_options_with_help() -> None:
    page = PAGES[DOCS / "commands.md"]
    for name in ("prepare", "train", "synthesize", "transfer", "import nvidia", "plugins show"):
        assert f"## vid2vid {name}\n" in page
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows if not row[1].strip()] == []


def _top_level_first() -> list[str]:
    """All keys but schema_version in the order of the page: settings outside a section come first."""
    keys = [*setting_keys(), "conditioner_options"]
    keys.remove("schema_version")
    order = ["summary", "model", "conditioners", "conditioner_options"]
    return [*order, *(key for key in keys if key not in order)]
