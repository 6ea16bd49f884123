"""Errors of segmentation weights, options and packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_networks import write_colour_network, write_person_network
from vid2vid_segmentation import TORCHVISION_WEIGHTS
from vid2vid_segmentation.deeplab import TORCHVISION_NAMES

from vid2vid_cli.conditioning import MissingPackageError, MissingWeightsError, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError, Vid2VidError

FRAME = np.full((40, 60, 3), 128, np.uint8)
MOBILENET = "deeplabv3_mobilenet_v3_large-fc3c493d.pth"


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of torch; connections fail at once."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("VID2VID_OFFLINE")
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def state_dict(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A valid state dict of torchvision's DeepLabV3."""
    path = write_person_network(tmp_path_factory.mktemp("networks") / "good.pth")
    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


def annotate_error(error_class: type[Vid2VidError] = MissingWeightsError, **options: object) -> Vid2VidError:
    with pytest.raises(error_class) as caught:
        next(load_conditioner("segmentation", options).annotate(detect_cuts([FRAME])))
    assert caught.value.hint
    return caught.value


def save_file(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


# torchvision's own weights


def test_failed_download_lists_alternatives(cache_folder: Path) -> None:
    pytest.importorskip("torchvision")
    error = annotate_error()
    assert MOBILENET in error.message
    for alternative in (
        str(cache_folder / MOBILENET),
        "segmentation.weights=",
        "segmentation.backend=selfie",
        "https://",
        f"vid2vid weights fetch {MOBILENET}",
    ):
        assert alternative in error.hint
    assert list(cache_folder.iterdir()) == []


def test_damaged_cached_weights_are_rejected(cache_folder: Path, state_dict: dict[str, Any]) -> None:
    save_file(cache_folder / MOBILENET, state_dict)
    error = annotate_error()
    assert str(cache_folder / MOBILENET) in error.message
    assert "fc3c493d" in error.message
    assert "fc3c493d" in annotate_error(weights=cache_folder / MOBILENET).message


def test_weights_are_those_of_torchvision() -> None:
    models = pytest.importorskip("torchvision.models")
    for model, file in TORCHVISION_WEIGHTS.items():
        weights = models.get_model_weights(TORCHVISION_NAMES[model])["COCO_WITH_VOC_LABELS_V1"]
        assert file.url == weights.url
        assert file.url.endswith(f"/{file.name}")


# Files of the user


def test_user_weights_are_found_in_cache_by_name(cache_folder: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    write_colour_network(cache_folder / "colours.tflite")
    conditioner = load_conditioner("segmentation", {"weights": "/elsewhere/colours.tflite", "num_classes": 4})
    assert next(conditioner.annotate(detect_cuts(iter([FRAME])))).quality == 0


@pytest.mark.parametrize("name", ["nowhere.tflite", "nowhere.pth"])
def test_missing_weights_file_is_rejected(name: str, cache_folder: Path) -> None:
    error = annotate_error(weights=f"/tmp/no/{name}")
    assert f"/tmp/no/{name}" in error.message
    assert str(cache_folder) in error.hint


def test_nested_state_dict_is_loaded(tmp_path: Path, state_dict: dict[str, Any]) -> None:
    training_checkpoint = {"model": {f"module.{name}": value.half() for name, value in state_dict.items()}, "epoch": 3}
    conditioner = load_conditioner(
        "segmentation", {"weights": str(save_file(tmp_path / "mine.pt", training_checkpoint)), "input_size": 64}
    )
    assert next(conditioner.annotate(detect_cuts(iter([FRAME])))).quality == 0


def test_wrong_number_of_classes_is_rejected(tmp_path: Path, state_dict: dict[str, Any]) -> None:
    state = {**state_dict, "classifier.4.weight": torch.zeros(19, 256, 1, 1), "classifier.4.bias": torch.zeros(19)}
    path = save_file(tmp_path / "nineteen.pth", state)
    error = annotate_error(weights=path)
    assert "19" in error.message
    assert error.hint == "--conditioner-option segmentation.num_classes=19"
    assert next(
        load_conditioner("segmentation", {"weights": path, "num_classes": 19, "input_size": 64}).annotate(
            detect_cuts([FRAME])
        )
    )


@pytest.mark.parametrize(
    ("change", "expected_text"),
    [
        (lambda state: {}, "missing"),
        (lambda state: {"conv.weight": torch.zeros(1)}, "'conv.weight'"),
        (lambda state: {k: v for k, v in state.items() if "convs" not in k}, "convs.0.0.weight"),
        (lambda state: {**state, "more": torch.zeros(1)}, "more"),
        (lambda state: {**state, "classifier.1.weight": torch.zeros(1)}, "classifier.1.weight has the shape (1,)"),
        (lambda state: [1, 2], "list"),
    ],
)
def test_wrong_state_dict_is_rejected(
    change: Any, expected_text: str, tmp_path: Path, state_dict: dict[str, Any]
) -> None:
    path = save_file(tmp_path / "other.pth", change(state_dict))
    error = annotate_error(weights=path)
    assert str(path) in error.message
    assert expected_text in error.message


def test_pickled_objects_are_not_executed(tmp_path: Path) -> None:
    path = save_file(tmp_path / "whole.pth", torch.nn.Linear(1, 1))
    assert str(path) in annotate_error(weights=path).message
    path.write_bytes(b"hello")
    assert str(path) in annotate_error(weights=path).message


def test_invalid_tflite_files_are_rejected(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"hello")
    assert str(path) in annotate_error(weights=path).message
    assert "4" in annotate_error(weights=write_colour_network(tmp_path / "four.tflite")).message
    grey = write_colour_network(tmp_path / "grey.tflite", num_channels=1)
    assert "(1, 32, 32, 1)" in annotate_error(weights=grey, num_classes=4).message
    assert "segmentation.weights" in annotate_error(backend="litert").message


# Options and packages


@pytest.mark.parametrize(
    ("options", "expected_text"),
    [
        ({"weights": "net.onnx"}, ".tflite"),
        ({"weights": "net.tflite", "backend": "torchvision"}, "backend=torchvision"),
        ({"weights": "net.tflite", "backend": "selfie"}, "backend=selfie"),
        ({"classes_used": "person,cow boy"}, "cow boy"),
        ({"classes_used": "background"}, "background"),
        ({"classes_used": "car,7"}, "'7'"),
        ({"classes_used": "car", "backend": "selfie"}, "person"),
        ({"smoothing": "1"}, "0.95"),
        ({"model": "resnet18"}, "resnet50"),
    ],
)
def test_invalid_options_are_rejected(options: dict[str, str], expected_text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_conditioner("segmentation", options)
    assert expected_text in caught.value.message


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("torchvision.models.segmentation", {}),
        ("ai_edge_litert.interpreter", {"weights": "colours.tflite", "num_classes": 4}),
        ("mediapipe.tasks.python.vision", {"backend": "selfie"}),
    ],
)
def test_missing_package_is_reported(
    module: str, options: Any, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache_folder / "colours.tflite").write_bytes(b"")
    monkeypatch.setitem(sys.modules, module, None)
    error = annotate_error(MissingPackageError, **options)
    assert module.partition(".")[0].replace("_", "-") in error.message
    assert error.hint == 'pip install "vid2vid-cli[segmentation]"'
