"""The preset for a dataset and a machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vid2vid_cli.config.presets import preset_names
from vid2vid_cli.core.errors import DeviceError
from vid2vid_cli.training_data.preset_choice import choose_preset, is_gpu_preset, smaller_preset, train_command

GPU_PRESETS = [
    (("landmarks",), "face"),
    (("pose",), "pose"),
    (("labels",), "street_256"),
    (("segmentation",), "street_256"),
    (("edges",), "edges"),
    (("pose", "densepose"), "fast"),
    (("something",), "fast"),
]


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize(("conditioners", "preset"), GPU_PRESETS)
def test_choose_preset_with_a_gpu_is_the_smallest_for_the_conditioners(
    conditioners: tuple[str, ...], preset: str
) -> None:
    choice = choose_preset(conditioners)
    assert choice.name == preset
    assert all(name in choice.reason for name in conditioners)
    assert choose_preset(conditioners, "cpu").name == "fast"


@pytest.mark.parametrize("conditioners", [conditioners for conditioners, _ in GPU_PRESETS])
def test_choose_preset_without_a_gpu_is_fast(conditioners: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    choice = choose_preset(conditioners)
    assert choice.name == "fast"
    assert "GPU" in choice.reason
    with pytest.raises(DeviceError):
        choose_preset(conditioners, "cuda")


def test_choose_preset_of_frames_alone_is_unpaired() -> None:
    assert choose_preset(("none",), "cpu").name == "cyclegan"
    assert train_command(Path("datasets/a"), ("none",)).endswith("--data-b DATASET_B --data datasets/a")


def test_is_gpu_preset_leaves_out_presets_for_any_conditioner() -> None:
    assert {name for name in preset_names() if not is_gpu_preset(name)} == {
        *("tiny", "fast", "cyclegan", "savp", "savp_small", "bicyclegan", "fader", "vaegan"),
    }
    assert not is_gpu_preset("")
    assert not is_gpu_preset("mine.yaml")


@pytest.mark.parametrize(
    ("preset", "smaller"), [("pose_1024p", "fast"), ("pose", "fast"), ("", "fast"), ("fast", "tiny"), ("tiny", "")]
)
def test_smaller_preset_on_a_cpu(preset: str, smaller: str) -> None:
    assert smaller_preset(preset, ("pose",), "cpu") == smaller


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize(("preset", "smaller"), [("pose_1024p", "pose"), ("pose", "fast"), ("fast", "tiny")])
def test_smaller_preset_on_a_gpu(preset: str, smaller: str) -> None:
    assert smaller_preset(preset, ("pose",), "cuda") == smaller


def test_choose_preset_for_a_cpu_does_not_import_torch() -> None:
    code = (
        "import sys; from vid2vid_cli.training_data.preset_choice import choose_preset, may_have_cuda; "
        "assert choose_preset(('pose',), 'cpu').name == 'fast'; may_have_cuda(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
