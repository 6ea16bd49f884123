"""The wheel, installed outside the repository, contains presets, plugins and the plugin template."""

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
def site_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel in the layout of site-packages."""
    builders = pytest.importorskip("hatchling.builders.wheel")
    folder = tmp_path_factory.mktemp("wheel")
    wheel = next(iter(builders.WheelBuilder(str(REPO)).build(directory=str(folder))))
    site_folder = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_folder)
    return site_folder


def run_cli(site: Path, *args: str) -> str:
    """The stdout of one command line, run from the wheel's files in another folder."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "vid2vid_cli", *args]
    cwd = site.parent
    completed = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=cwd, env=environment, timeout=600
    )
    return completed.stdout


def test_wheel_contains_presets(site_packages: Path) -> None:
    names = sorted(path.stem for path in (REPO / "presets").glob("*.yaml"))
    assert [row["name"] for row in json.loads(run_cli(site_packages, "presets", "list", "--json"))] == names
    run_cli(site_packages, "presets", "copy", names[0], "mine.yaml")
    assert (site_packages.parent / "mine.yaml").read_text() == (REPO / "presets" / f"{names[0]}.yaml").read_text()


def test_wheel_contains_plugins(site_packages: Path) -> None:
    folders = {path.parent.name for path in (REPO / "plugins").glob("vid2vid_*/__init__.py")}
    assert folders <= {path.name for path in site_packages.iterdir()}
    plugin_names = {row["name"] for row in json.loads(run_cli(site_packages, "plugins", "list", "--json"))}
    assert {name.removeprefix("vid2vid_") for name in folders} <= plugin_names


def test_wheel_contains_plugin_template(site_packages: Path) -> None:
    template = REPO / "vid2vid_cli" / "tools" / "plugin_template"
    payload = json.loads(run_cli(site_packages, "plugins", "new", "depth", "--json"))
    assert len(payload["files"]) == len([path for path in template.rglob("*") if path.is_file()])
    assert (site_packages.parent / "vid2vid-depth" / "tests" / "test_depth.py").is_file()


@pytest.mark.parametrize("folder", ["reports/templates", "ui/page"])
def test_wheel_contains_files_of_pages(site_packages: Path, folder: str) -> None:
    names = {path.name for path in (REPO / "vid2vid_cli" / folder).iterdir()}
    assert names == {path.name for path in (site_packages / "vid2vid_cli" / folder).iterdir()}
    assert len(names) >= 3


def test_wheel_installs_only_vid2vid_packages(site_packages: Path) -> None:
    other_names = [path.name for path in site_packages.iterdir() if not path.name.startswith("vid2vid_")]
    assert other_names == []
    assert (site_packages / "vid2vid_cli" / "py.typed").is_file()
