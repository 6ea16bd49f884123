"""A new plugin: written whole, sound, packaged, and of use at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from vid2vid_cli import __version__
from vid2vid_cli.core.errors import ConfigError, ExistsError, PermissionDeniedError, PluginError
from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.engine.events import silent
from vid2vid_cli.media.label_png import load_labels
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.tools import plugin_scaffold
from vid2vid_cli.tools.plugin_scaffold import check_name, new_plugin

REPO = Path(__file__).resolve().parents[2]
NAME = "sun_lit"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a new plugin; only to be read."""
    return new_plugin(NAME, tmp_path_factory.mktemp("new") / "deeper").path


@pytest.fixture
def installed(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files of its wheel as pip lays them out, on the path of this process and of those it starts."""
    wheels = pytest.importorskip("hatchling.builders.wheel")
    site = tmp_path / "site"
    with zipfile.ZipFile(next(iter(wheels.WheelBuilder(str(package)).build(directory=str(tmp_path))))) as archive:
        archive.extractall(site)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(REPO), str(REPO / "plugins")]))
    yield site
    for name in [name for name in sys.modules if name.startswith(f"vid2vid_{NAME}")]:
        del sys.modules[name]


def program(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=cwd)


def test_what_is_written(package: Path) -> None:
    assert package.name == "vid2vid-sun-lit"
    assert sorted(str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()) == [
        "README.md",
        "pyproject.toml",
        f"src/vid2vid_{NAME}/__init__.py",
        f"src/vid2vid_{NAME}/conditioner.py",
        f"src/vid2vid_{NAME}/py.typed",
        f"tests/test_{NAME}.py",
    ]
    text = "".join(path.read_text() for path in package.rglob("*") if path.is_file())
    assert "$" not in text
    assert "NAME" not in text.replace("NAME.KEY", "").replace(f"{NAME}.KEY", "")
    assert f'"vid2vid-cli>={__version__}"' in text
    assert package.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in package.parent.iterdir()] == [package.name]


def test_its_wheel_is_found_and_its_tests_pass(installed: Path, package: Path) -> None:
    (found,) = (point for point in metadata.entry_points(group="vid2vid.conditioners") if point.name == NAME)
    assert found.value == f"vid2vid_{NAME}:SPEC"
    own = [path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")]
    assert own == [f"vid2vid_{NAME}"]
    done = program("-m", "pytest", "-p", "no:cacheprovider", str(package / "tests"), cwd=installed.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 30


def test_plugins_test_knows_it(installed: Path) -> None:
    done = program("-m", "vid2vid_cli", "plugins", "test", NAME, "--json", cwd=installed.parent)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["conditioner"], told["broken"]) == (NAME, 0)
    assert told["kept"] >= 30
    assert {duty["reason"] for duty in told["duties"] if duty["outcome"] == "not tried"} == {"it reads no files"}


def test_prepare_uses_it(installed: Path, film: Path, tmp_path: Path) -> None:
    request = PrepareRequest((film,), (NAME,), tmp_path / "made", {NAME: {"tones": "3"}})
    made = prepare(request, silent)
    assert made.found[NAME] == (24, 24)
    (record,) = read_manifest(made.path).conditioners
    assert record.options == {"tones": 3, "vary": 0}
    assert record.fingerprint["options"] == {"tones": 3}
    assert [(one.id, one.name, one.colour[0]) for one in record.classes] == [
        (0, "tone 0", 0),
        (1, "tone 1", 128),
        (2, "tone 2", 255),
    ]
    labels = load_labels(next((made.path / "clips/000" / NAME / "tones").glob("*.png")))
    assert labels is not None
    assert set(labels.ravel().tolist()) == {0, 1, 2}
    assert record.statistics["parts"] == pytest.approx([1 / 3] * 3, abs=0.15)


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed")
@pytest.mark.parametrize("name", ["x", NAME, "a" * plugin_scaffold.LONGEST])
def test_it_is_clean(name: str, tmp_path: Path) -> None:
    package = new_plugin(name, tmp_path).path
    settings = ["--config", str(REPO / "pyproject.toml"), "--config", f"src = ['{package}/src']"]
    for words in (["check", "--no-cache"], ["format", "--no-cache", "--check"]):
        done = program("-m", "ruff", *words, *settings, str(package), cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Depth", "Did you mean depth?"),
        ("DepthMap", "Did you mean depth_map?"),
        ("depth-map", "Did you mean depth_map?"),
        ("vid2vid-depth", "Did you mean depth?"),
        ("3d", "Did you mean d?"),
        ("../etc", "Did you mean etc?"),
        ("", "Choose another"),
        ("é_clair", "Did you mean e_clair?"),
        ("class", "Choose another"),
        ("frames", "Choose another"),
        ("a" * 25, "Choose another"),
    ],
)
def test_what_is_no_name(name: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a conditioner") as caught:
        new_plugin(name, tmp_path / "out")
    assert hint in caught.value.hint
    assert repr(name) in caught.value.message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("edges", "a conditioner called 'edges' already (built in)"), ("cli", "a Python package called vid2vid_cli")],
)
def test_names_that_are_taken(name: str, words: str) -> None:
    with pytest.raises(PluginError) as caught:
        check_name(name)
    assert words in caught.value.message


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_nothing_is_overwritten(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "vid2vid-depth"
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExistsError, match="vid2vid-depth is already there"):
        new_plugin("depth", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["vid2vid-depth"]
    assert kind != "file" or place.read_text() == "mine"


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionDeniedError):
        new_plugin("depth", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(Exception, match="out") as caught:
        new_plugin("depth", tmp_path / "out")
    assert type(caught.value).__module__ == "vid2vid_cli.core.errors"
