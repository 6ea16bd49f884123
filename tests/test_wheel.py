"""What is packaged: the wheel alone, outside the repository, knows its presets and plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel, as pip would lay them out."""
    builders = pytest.importorskip("hatchling.builders.wheel")
    folder = tmp_path_factory.mktemp("wheel")
    wheel = next(iter(builders.WheelBuilder(str(REPO)).build(directory=str(folder))))
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def vid2vid(site: Path, *words: str) -> str:
    """The stdout of one command line, run from the wheel's files in another folder."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "vid2vid_cli", *words]
    cwd = site.parent
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd, env=environment, timeout=600)
    return done.stdout


def test_presets_come_with_it(installed: Path) -> None:
    names = sorted(path.stem for path in (REPO / "presets").glob("*.yaml"))
    assert [row["name"] for row in json.loads(vid2vid(installed, "presets", "list", "--json"))] == names
    vid2vid(installed, "presets", "copy", names[0], "mine.yaml")
    assert (installed.parent / "mine.yaml").read_text() == (REPO / "presets" / f"{names[0]}.yaml").read_text()


def test_plugins_come_with_it(installed: Path) -> None:
    folders = {path.parent.name for path in (REPO / "plugins").glob("vid2vid_*/__init__.py")}
    assert folders <= {path.name for path in installed.iterdir()}
    found = {row["name"] for row in json.loads(vid2vid(installed, "plugins", "list", "--json"))}
    assert {name.removeprefix("vid2vid_") for name in folders} <= found


def test_the_template_of_a_plugin_comes_with_it(installed: Path) -> None:
    template = REPO / "vid2vid_cli" / "tools" / "plugin_template"
    told = json.loads(vid2vid(installed, "plugins", "new", "depth", "--json"))
    assert len(told["files"]) == len([path for path in template.rglob("*") if path.is_file()])
    assert (installed.parent / "vid2vid-depth" / "tests" / "test_depth.py").is_file()


def test_nothing_else_lands_in_site_packages(installed: Path) -> None:
    strangers = [path.name for path in installed.iterdir() if not path.name.startswith("vid2vid_")]
    assert strangers == []
    assert (installed / "vid2vid_cli" / "py.typed").is_file()
