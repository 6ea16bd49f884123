"""Creation of a plugin package: complete, valid, installable and usable."""

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
from vid2vid_cli.core.errors import ConfigError, OutputExistsError, PermissionDeniedError, PluginError
from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.label_images import load_label_image
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.tools import plugin_scaffold
from vid2vid_cli.tools.plugin_scaffold import check_plugin_name, create_plugin

REPO = Path(__file__).resolve().parents[2]
PLUGIN_NAME = "sun_lit"


@pytest.fixture(scope="module")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a new plugin; tests must not modify it."""
    return create_plugin(PLUGIN_NAME, tmp_path_factory.mktemp("new") / "deeper").path


@pytest.fixture
def installed_plugin(plugin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The installed files of the plugin's wheel, on the search path of this process and its subprocesses."""
    wheel_builders = pytest.importorskip("hatchling.builders.wheel")
    site_packages = tmp_path / "site"
    with zipfile.ZipFile(
        next(iter(wheel_builders.WheelBuilder(str(plugin_folder)).build(directory=str(tmp_path))))
    ) as archive:
        archive.extractall(site_packages)
    monkeypatch.syspath_prepend(str(site_packages))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site_packages), str(REPO), str(REPO / "plugins")]))
    yield site_packages
    for name in [name for name in sys.modules if name.startswith(f"vid2vid_{PLUGIN_NAME}")]:
        del sys.modules[name]


def run_python(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=False, cwd=cwd)


def test_create_plugin_writes_expected_files(plugin_folder: Path) -> None:
    assert plugin_folder.name == "vid2vid-sun-lit"
    assert sorted(str(path.relative_to(plugin_folder)) for path in plugin_folder.rglob("*") if path.is_file()) == [
        "README.md",
        "pyproject.toml",
        f"src/vid2vid_{PLUGIN_NAME}/__init__.py",
        f"src/vid2vid_{PLUGIN_NAME}/conditioner.py",
        f"src/vid2vid_{PLUGIN_NAME}/py.typed",
        f"tests/test_{PLUGIN_NAME}.py",
    ]
    text = "".join(path.read_text() for path in plugin_folder.rglob("*") if path.is_file())
    assert "$" not in text
    assert "NAME" not in text.replace("NAME.KEY", "").replace(f"{PLUGIN_NAME}.KEY", "")
    assert f'"vid2vid-cli>={__version__}"' in text
    assert plugin_folder.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in plugin_folder.parent.iterdir()] == [plugin_folder.name]


@pytest.mark.slow
def test_create_plugin_wheel_is_discovered_and_tests_pass(installed_plugin: Path, plugin_folder: Path) -> None:
    (entry_point,) = (
        point for point in metadata.entry_points(group="vid2vid.conditioners") if point.name == PLUGIN_NAME
    )
    assert entry_point.value == f"vid2vid_{PLUGIN_NAME}:SPEC"
    package_names = [path.name for path in installed_plugin.iterdir() if not path.name.endswith(".dist-info")]
    assert package_names == [f"vid2vid_{PLUGIN_NAME}"]
    completed = run_python(
        "-m", "pytest", "-p", "no:cacheprovider", str(plugin_folder / "tests"), cwd=installed_plugin.parent
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "failed" not in completed.stdout
    assert int(completed.stdout.split(" passed")[0].split()[-1]) > 30


@pytest.mark.slow
def test_run_contract_passes_for_new_plugin(installed_plugin: Path) -> None:
    completed = run_python("-m", "vid2vid_cli", "plugins", "test", PLUGIN_NAME, "--json", cwd=installed_plugin.parent)
    assert completed.returncode == 0, completed.stderr
    payload = json.loads(completed.stdout.splitlines()[-1])
    assert (payload["conditioner"], payload["failed"]) == (PLUGIN_NAME, 0)
    assert payload["passed"] >= 30
    assert {check["reason"] for check in payload["checks"] if check["outcome"] == "skipped"} == {
        f"{PLUGIN_NAME} reads no files"
    }


def test_prepare_uses_new_plugin(installed_plugin: Path, blob_video: Path, tmp_path: Path) -> None:
    request = PrepareRequest(
        (blob_video,), (PLUGIN_NAME,), tmp_path / "made", options={PLUGIN_NAME: {"num_tones": "3"}}
    )
    result = prepare(request, ignore_events)
    assert result.detection_counts[PLUGIN_NAME] == (24, 24)
    (record,) = read_manifest(result.path).conditioners
    assert record.options == {"num_tones": 3, "tone_jitter": 0}
    assert record.fingerprint["options"] == {"num_tones": 3}
    assert [(label_class.id, label_class.name, label_class.colour[0]) for label_class in record.classes] == [
        (0, "tone 0", 0),
        (1, "tone 1", 128),
        (2, "tone 2", 255),
    ]
    labels = load_label_image(next((result.path / "clips/000" / PLUGIN_NAME / "tones").glob("*.png"))).values
    assert set(labels.ravel().tolist()) == {0, 1, 2}
    assert record.statistics["tone_shares"] == pytest.approx([1 / 3] * 3, abs=0.15)


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed")
@pytest.mark.parametrize("name", ["x", PLUGIN_NAME, "a" * plugin_scaffold.MAX_NAME_LENGTH])
def test_create_plugin_output_passes_ruff(name: str, tmp_path: Path) -> None:
    created_folder = create_plugin(name, tmp_path).path
    settings = ["--config", str(REPO / "pyproject.toml"), "--config", f"src = ['{created_folder}/src']"]
    for ruff_args in (["check", "--no-cache"], ["format", "--no-cache", "--check"]):
        completed = run_python("-m", "ruff", *ruff_args, *settings, str(created_folder), cwd=tmp_path)
        assert completed.returncode == 0, completed.stdout + completed.stderr


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
def test_create_plugin_rejects_invalid_names(name: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name") as caught:
        create_plugin(name, tmp_path / "out")
    assert hint in caught.value.hint
    assert repr(name) in caught.value.message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("edges", "'edges'"), ("cli", "vid2vid_cli")],
)
def test_check_plugin_name_rejects_taken_names(name: str, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        check_plugin_name(name)
    assert message in caught.value.message


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_create_plugin_never_overwrites(kind: str, tmp_path: Path) -> None:
    plugin_path = tmp_path / "vid2vid-depth"
    if kind == "folder":
        plugin_path.mkdir()
    elif kind == "file":
        plugin_path.write_text("mine")
    else:
        plugin_path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputExistsError, match="vid2vid-depth"):
        create_plugin("depth", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["vid2vid-depth"]
    assert kind != "file" or plugin_path.read_text() == "mine"


def test_create_plugin_cleans_up_after_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_permission_error(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(Path, "rename", raise_permission_error)
    with pytest.raises(PermissionDeniedError):
        create_plugin("depth", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_create_plugin_rejects_file_as_output_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(Exception, match="out") as caught:
        create_plugin("depth", tmp_path / "out")
    assert type(caught.value).__module__ == "vid2vid_cli.core.errors"
