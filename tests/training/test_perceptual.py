"""The network of the perceptual loss: choice, fallback, and the warnings about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from helpers.factories import CPU, tiny_config
from helpers.perceptual_weights import remove_perceptual_weights, write_perceptual_weights

from vid2vid_cli.config.losses import LossConfig
from vid2vid_cli.core.errors import MissingWeightsError
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.distributed import ProcessGroup
from vid2vid_cli.engine.event_log import read_event_log
from vid2vid_cli.engine.events import Event, InfoEvent, WarningEvent, ignore_events
from vid2vid_cli.engine.run_folder import find_run
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.media.published_weights import torch_cache_dir
from vid2vid_cli.networks.perceptual import EfficientNetPerceptualLoss
from vid2vid_cli.pipelines.train import TrainRequest, plan_train, train
from vid2vid_cli.training.perceptual import (
    PerceptualChoice,
    choose_perceptual_network,
    load_chosen_network,
    plan_perceptual_network,
)

Result = TypeVar("Result")
FETCH_VGG19 = "vid2vid weights fetch vgg19-dcbb9e9d.pth"
INSTALL_SMALL = 'pip install "vid2vid-cli[perceptual]"'
CPU_DEVICE, GPU_DEVICE = torch.device("cpu"), torch.device("cuda")  # no network is moved to it here


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove_perceptual_weights(monkeypatch, tmp_path / "torch")


def choose(device: torch.device, **losses: object) -> PerceptualChoice:
    return choose_perceptual_network(LossConfig.model_validate(losses), device, ignore_events)


def test_choice_disables_loss_without_any_network() -> None:
    for device in (CPU_DEVICE, GPU_DEVICE):
        choice = choose(device)
        assert choice.network is None
        assert "disabled" in choice.warning
        assert FETCH_VGG19 in choice.warning
        assert INSTALL_SMALL in choice.warning
    assert choose(CPU_DEVICE, perceptual=0) == PerceptualChoice()


def test_choice_falls_back_to_small_network_on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    choice = choose(GPU_DEVICE)
    assert choice.network == "efficientnet_lite0"
    assert str(path) in choice.notice
    assert FETCH_VGG19 in choice.warning
    choice = choose(CPU_DEVICE)
    assert (choice.network, choice.warning) == ("efficientnet_lite0", "")


def test_choice_prefers_network_by_device(monkeypatch: pytest.MonkeyPatch) -> None:
    write_perceptual_weights(monkeypatch, "vgg19")
    assert choose(GPU_DEVICE).network == "vgg19"
    assert choose(GPU_DEVICE).warning == ""
    assert INSTALL_SMALL in choose(CPU_DEVICE).warning  # VGG19 is slow there
    write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    assert (choose(GPU_DEVICE).network, choose(CPU_DEVICE).network) == ("vgg19", "efficientnet_lite0")
    assert choose(CPU_DEVICE, perceptual_network="vgg19").network == "vgg19"


def test_choice_rejects_missing_named_network_and_damaged_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingWeightsError) as caught:
        choose(GPU_DEVICE, perceptual_network="vgg19")
    assert FETCH_VGG19 in caught.value.hint
    with pytest.raises(MissingWeightsError) as caught:
        choose(GPU_DEVICE, perceptual_network="efficientnet_lite0")
    assert INSTALL_SMALL in caught.value.hint
    with pytest.raises(MissingWeightsError):
        plan_perceptual_network(LossConfig(perceptual_network="efficientnet_lite0"), CPU_DEVICE)
    write_perceptual_weights(monkeypatch, "vgg19").write_bytes(b"other")
    with pytest.raises(MissingWeightsError, match="damaged"):
        choose(GPU_DEVICE)


def test_plan_warns_of_download(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = dict(plan_perceptual_network(LossConfig(), GPU_DEVICE))
    assert rows["perceptual loss"] == "vgg19"
    assert FETCH_VGG19 in rows["warning"]
    assert INSTALL_SMALL in rows["warning"]
    write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    assert "efficientnet_lite0 instead" in dict(plan_perceptual_network(LossConfig(), GPU_DEVICE))["warning"]
    assert "warning" not in dict(plan_perceptual_network(LossConfig(), CPU_DEVICE))
    assert plan_perceptual_network(LossConfig(perceptual=0), GPU_DEVICE) == ()


def test_load_chosen_network_reports_file_missing_on_other_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process group whose main process has another folder of weights than this process."""

    class OtherMachine(ProcessGroup):
        def run_on_main(self, function: Callable[[], Result]) -> Result:
            with monkeypatch.context() as main_process:
                main_process.setenv("TORCH_HOME", str(tmp_path / "main"))
                torch_cache_dir().mkdir(parents=True)
                write_perceptual_weights(main_process, "vgg19")
                return function()

    config = LossConfig(perceptual_network="vgg19")
    loss, choice = load_chosen_network(config, CPU, OtherMachine(), ignore_events)
    assert (loss, choice.network) == (None, None)
    assert FETCH_VGG19 in choice.warning


def test_train_with_small_network(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is trained with, and configuration and checkpoint name the network."""
    write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    config = tiny_config(losses={"perceptual": 2.0}, schedule={"max_steps": 1})
    events: list[Event] = []
    result = train(TrainRequest(config, "tiny", dataset, tmp_path / "run", device="cpu"), events.append)
    assert not [event for event in events if isinstance(event, WarningEvent)]
    assert any("efficientnet_lite0" in event.message for event in events if isinstance(event, InfoEvent))
    (step,) = [event for event in read_event_log(result.path) if event["event"] == "step"]
    assert step["losses"]["perceptual"] > 0
    assert find_run(result.path).load_config().losses.perceptual_network == "efficientnet_lite0"
    assert load_metadata(result.checkpoint).training["perceptual_network"] == "efficientnet_lite0"


def test_train_without_network_warns_everywhere(dataset: Path, tmp_path: Path) -> None:
    config = tiny_config(losses={"perceptual": 2.0}, schedule={"max_steps": 1})
    request = TrainRequest(config, "tiny", dataset, tmp_path / "run", device="cpu")
    assert FETCH_VGG19 in dict(plan_train(request).rows)["warning"]
    assert FETCH_VGG19 in json.dumps(plan_train(request).to_json())
    events: list[Event] = []
    result = train(request, events.append)
    (warning,) = [event.message for event in events if isinstance(event, WarningEvent)]
    assert FETCH_VGG19 in warning
    assert FETCH_VGG19 in (result.path / "report.html").read_text(encoding="utf-8")
    assert [event["message"] for event in read_event_log(result.path) if event["event"] == "warning"] == [warning]
    assert find_run(result.path).load_config().losses.perceptual_network == "auto"
    assert "perceptual_network" not in load_metadata(result.checkpoint).training


def test_loss_has_memory_format_of_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    runtime = Runtime(CPU_DEVICE, "fp32", channels_last=True)
    loss, _ = load_chosen_network(LossConfig(), runtime, ProcessGroup(), ignore_events)
    assert isinstance(loss, EfficientNetPerceptualLoss)
    assert loss.network._conv_stem.weight.is_contiguous(memory_format=torch.channels_last)
