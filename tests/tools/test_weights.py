"""`vid2vid weights`: the files of the package and of plugins, and their download."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.file_server import FileServer, serve_file

from vid2vid_cli.core.errors import MissingWeightsError
from vid2vid_cli.engine.events import Event, InfoEvent, ProgressEvent, ignore_events
from vid2vid_cli.media import published_weights
from vid2vid_cli.media.published_weights import VGG19_WEIGHTS
from vid2vid_cli.tools import doctor, weights
from vid2vid_cli.tools.weights import fetch_weights, list_weights

CONTENT = b"weights" * 400_000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = published_weights.torch_cache_dir()
    folder.mkdir(parents=True)
    return folder


def test_list_weights_has_files_of_package_and_plugins(cache: Path) -> None:
    (cache / VGG19_WEIGHTS.name).write_bytes(b"other")
    listed = {item.file.name: item for item in list_weights()}
    assert (listed[VGG19_WEIGHTS.name].state, listed[VGG19_WEIGHTS.name].used_by) == ("damaged", "losses.perceptual")
    deeplab = listed["deeplabv3_resnet50_coco-cd0a2569.pth"]
    assert (deeplab.state, deeplab.used_by, deeplab.path) == ("missing", "segmentation", None)
    assert deeplab.file.url in deeplab.table_row()[-1]
    mesh = listed["face_mesh_478.task"]
    assert (mesh.state, mesh.used_by) == ("present", "landmarks")
    assert mesh.table_row()[-1] == str(mesh.path)


def test_fetch_weights_downloads_by_beginning_of_name(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VID2VID_OFFLINE")
    events: list[Event] = []
    with serve_file(FileServer(CONTENT)) as server:
        file = replace(VGG19_WEIGHTS, url=server.url, sha256=hashlib.sha256(CONTENT).hexdigest())
        monkeypatch.setattr(weights, "VGG19_WEIGHTS", file)
        (item,) = fetch_weights(["vgg"], events.append)
        assert (item.state, item.path) == ("present", cache / VGG19_WEIGHTS.name)
        (repeated,) = fetch_weights(["vgg19"], events.append)
        assert repeated == item
        assert server.requests == [""]
    progress = [event for event in events if isinstance(event, ProgressEvent)]
    assert (progress[0].done, progress[-1].done, progress[-1].total, progress[-1].unit) == (0, 3, 3, "MB")
    notices = [event.message for event in events if isinstance(event, InfoEvent)]
    assert server.url in notices[0]
    assert "present" in notices[1]


def test_fetch_weights_rejects_unknown_and_damaged_files(cache: Path) -> None:
    with pytest.raises(MissingWeightsError, match="vgg91") as caught:
        fetch_weights(["vgg91"], ignore_events)
    assert "Did you mean vgg19?" in caught.value.hint
    (cache / VGG19_WEIGHTS.name).write_bytes(b"other")
    with pytest.raises(MissingWeightsError, match="damaged"):
        fetch_weights(["vgg19"], ignore_events)
    (cache / VGG19_WEIGHTS.name).unlink()
    with pytest.raises(MissingWeightsError, match="VID2VID_OFFLINE"):
        fetch_weights(["vgg19"], ignore_events)


def test_doctor_checks_perceptual_weights(cache: Path) -> None:
    def check_vgg19() -> doctor.DoctorCheck:
        return {check.name: check for check in doctor._check_perceptual_weights()}[f"weights {VGG19_WEIGHTS.name}"]

    assert (check_vgg19().status, check_vgg19().remedy) == ("missing", f"vid2vid weights fetch {VGG19_WEIGHTS.name}")
    path = cache / VGG19_WEIGHTS.name
    path.write_bytes(b"other")
    assert check_vgg19().status == "warning"
    assert str(path) in check_vgg19().detail
