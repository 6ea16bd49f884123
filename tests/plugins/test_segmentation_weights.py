"""What may be wrong with the weights of a segmentation network, and what is said about it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_networks import colour_network, person_network
from vid2vid_segmentation import weights as files

from vid2vid_cli.conditioning import MissingPackageError, MissingWeightsError
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError, Vid2VidError

FRAME = np.full((40, 60, 3), 128, np.uint8)
MOBILENET = "deeplabv3_mobilenet_v3_large-fc3c493d.pth"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache, empty; and nothing can be downloaded, which is known at once."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A good state dict, with the layout of torchvision's own."""
    path = person_network(tmp_path_factory.mktemp("networks") / "good.pth")
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def problem(kind: type[Vid2VidError] = MissingWeightsError, **options: object) -> Vid2VidError:
    with pytest.raises(kind) as caught:
        next(load_conditioner("segmentation", options).annotate(iter([FRAME])))
    assert caught.value.hint
    return caught.value


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


# torchvision's own weights


def test_without_network_three_ways_are_named(home: Path) -> None:
    pytest.importorskip("torchvision")
    error = problem()
    assert MOBILENET in error.message
    assert "cannot be downloaded" in error.message
    for way in (str(home / MOBILENET), "segmentation.weights=", "segmentation.backend=person", "https://"):
        assert way in error.hint
    assert list(home.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_recognised(home: Path, network: dict[str, Any]) -> None:
    saved(home / MOBILENET, network)
    error = problem()
    assert str(home / MOBILENET) in error.message
    assert "fc3c493d" in error.message
    assert "Delete" in error.hint
    assert "fc3c493d" in problem(weights=home / MOBILENET).message


def test_download_goes_into_the_cache_once(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    source = tmp_path / f"network-{digest[:8]}.pth"
    source.write_bytes(b"weights")
    kept = files.published(source.as_uri())
    assert kept == home / source.name
    assert kept.read_bytes() == b"weights"
    source.unlink()
    assert files.published(source.as_uri()) == kept
    kept.write_bytes(b"weighty")
    with pytest.raises(MissingWeightsError, match="damaged"):
        files.published(source.as_uri())


def test_a_download_of_another_content_is_not_kept(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "network-00000000.pth"
    source.write_bytes(b"weights")
    with pytest.raises(MissingWeightsError, match="hash"):
        files.published(source.as_uri())
    assert list(home.iterdir()) == []


# Files of the user


def test_files_are_found_by_name_in_the_cache(home: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    colour_network(home / "colours.tflite")
    conditioner = load_conditioner("segmentation", {"weights": "/elsewhere/colours.tflite", "classes": 4})
    assert next(conditioner.annotate(iter([FRAME]))).quality == 0


@pytest.mark.parametrize("name", ["nowhere.tflite", "nowhere.pth"])
def test_missing_file(name: str, home: Path) -> None:
    error = problem(weights=f"/tmp/no/{name}")
    assert f"/tmp/no/{name} does not exist" in error.message
    assert str(home) in error.hint


def test_wrapped_state_dicts_are_read(tmp_path: Path, network: dict[str, Any]) -> None:
    wrapped = {"model": {f"module.{name}": value.half() for name, value in network.items()}, "epoch": 3}
    conditioner = load_conditioner("segmentation", {"weights": str(saved(tmp_path / "mine.pt", wrapped)), "size": 64})
    assert next(conditioner.annotate(iter([FRAME]))).quality == 0


def test_another_number_of_classes(tmp_path: Path, network: dict[str, Any]) -> None:
    state = {**network, "classifier.4.weight": torch.zeros(19, 256, 1, 1), "classifier.4.bias": torch.zeros(19)}
    path = saved(tmp_path / "nineteen.pth", state)
    error = problem(weights=path)
    assert "19 classes" in error.message
    assert error.hint == "--option segmentation.classes=19"
    assert next(load_conditioner("segmentation", {"weights": path, "classes": 19, "size": 64}).annotate([FRAME]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: {}, "missing"),
        (lambda state: {"conv.weight": torch.zeros(1)}, "'conv.weight'"),
        (lambda state: {k: v for k, v in state.items() if "convs" not in k}, "convs.0.0.weight is missing, and"),
        (lambda state: {**state, "more": torch.zeros(1)}, "more is not part of it"),
        (lambda state: {**state, "classifier.1.weight": torch.zeros(1)}, "classifier.1.weight is (1,) and not"),
        (lambda state: [1, 2], "it holds a list"),
    ],
)
def test_a_wrong_layout_is_named(change: Any, said: str, tmp_path: Path, network: dict[str, Any]) -> None:
    path = saved(tmp_path / "other.pth", change(network))
    error = problem(weights=path)
    assert str(path) in error.message
    assert said in error.message


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    path = saved(tmp_path / "whole.pth", torch.nn.Linear(1, 1))
    assert "cannot be read as weights" in problem(weights=path).message
    path.write_bytes(b"hello")
    assert "cannot be read as weights" in problem(weights=path).message


def test_tflite_files_that_are_none(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"hello")
    assert f"{path} is not a TFLite network" in problem(weights=path).message
    assert "4 classes" in problem(weights=colour_network(tmp_path / "four.tflite")).message
    grey = colour_network(tmp_path / "grey.tflite", planes=1)
    assert "(1, 32, 32, 1)" in problem(weights=grey, classes=4).message
    assert "none is named" in problem(backend="litert").message


# Options and packages


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": "net.onnx"}, ".tflite"),
        ({"weights": "net.tflite", "backend": "torchvision"}, "does not read .tflite"),
        ({"weights": "net.tflite", "backend": "person"}, "its own model"),
        ({"keep": "person,cow boy"}, "cow boy"),
        ({"keep": "background"}, "in any case"),
        ({"keep": "car,7"}, "twice"),
        ({"keep": "car", "backend": "person"}, "there are person"),
        ({"smooth": "1"}, "0.95"),
        ({"model": "resnet18"}, "resnet50"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_conditioner("segmentation", options)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("torchvision.models.segmentation", {}),
        ("ai_edge_litert.interpreter", {"weights": "colours.tflite", "classes": 4}),
        ("mediapipe.tasks.python.vision", {"backend": "person"}),
    ],
)
def test_missing_packages(module: str, options: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "colours.tflite").write_bytes(b"")
    monkeypatch.setitem(sys.modules, module, None)
    error = problem(MissingPackageError, **options)
    assert "cannot be imported" in error.message
    assert error.hint == 'pip install "vid2vid-cli[segmentation]"'
