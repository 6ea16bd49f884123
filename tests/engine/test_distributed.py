"""Two processes train like one: weights, EMA, optimisers, losses, resuming and ending."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from engine.test_loop import flatten_state
from helpers import distributed_worker
from helpers.distributed_worker import HALF_STEPS, NUM_STEPS, make_clips, new_training
from helpers.factories import CPU

from vid2vid_cli.core.errors import ConfigError, DeviceError
from vid2vid_cli.engine.distributed import SINGLE_PROCESS, ProcessGroup
from vid2vid_cli.engine.reference_flow import estimate_reference_flow
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import STATE_FILE_NAME, load_train_state, save_train_state
from vid2vid_cli.engine.torchrun import resolve_num_processes

TOLERANCE = 1e-6
"""For weights near 0.1, and relative to the largest value for moments of gradients near 10; in float64. Sums have
another order, and Adam divides the rounding error of a gradient that is 0 (a bias before a normalisation) by 1e-8. In
float32 these errors would be as large as whole steps."""
Comparison = tuple[Path, TrainState, list[dict[str, float]]]
"""Files of two processes; state and losses of a single process with the same batches."""


def start_workers(folder: Path) -> subprocess.Popen[str]:
    """Start two processes with torchrun's environment variables; the second is a child of the first."""
    with socket.socket() as free_port:
        free_port.bind(("127.0.0.1", 0))
        port = str(free_port.getsockname()[1])
    environment = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, distributed_worker.__file__, str(folder)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def state_tensors(saved: Any) -> dict[str, torch.Tensor]:
    return {
        name: torch.as_tensor(value) for name, value in flatten_state(saved) if isinstance(value, (float, torch.Tensor))
    }


def relative_differences(first: Any, second: Any) -> dict[str, float]:
    """The largest difference of each tensor of two states, divided by max(1, largest value of the tensor)."""
    a, b = state_tensors(first), state_tensors(second)
    assert a.keys() == b.keys()
    scale = {name: max(1.0, float(value.abs().max())) for name, value in a.items()}
    return {name: float((a[name] - b[name]).abs().max()) / scale[name] for name in a}


def load_saved_state(folder: Path, step: int = NUM_STEPS) -> Any:
    return torch.load(folder / f"step_{step:07d}" / STATE_FILE_NAME, weights_only=True)["state"]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    folder = tmp_path_factory.mktemp("distributed")
    torch.set_default_dtype(torch.float64)
    try:
        training, state = new_training(SINGLE_PROCESS)
        training.train_until(state, HALF_STEPS)
        save_train_state(folder / "single", state, {})
        process = start_workers(folder)
        training.train_until(state, NUM_STEPS)
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        yield folder, state, training.losses
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.slow
def test_two_processes_give_the_state_of_one(comparison: Comparison) -> None:
    folder, state, _ = comparison
    differences = relative_differences(load_saved_state(folder / "rank0"), state.state_dict())
    assert {name: value for name, value in differences.items() if value > TOLERANCE} == {}
    assert {name.split(".")[1] for name in differences} >= {
        "generator",
        "generator_ema",
        "image_discriminator",
        "temporal_discriminators",
        "region_discriminators",
        "generator_optimizer",
    }
    initial_generator = new_training(SINGLE_PROCESS)[1].state_dict()["generator"]
    changes = relative_differences(initial_generator, state.state_dict()["generator"])
    assert max(changes.values()) > 1e3 * TOLERANCE


def test_all_ranks_have_identical_weights(comparison: Comparison) -> None:
    states = [load_saved_state(comparison[0] / f"rank{rank}") for rank in (0, 1)]
    assert set(relative_differences(*states).values()) == {0.0}


def test_discriminator_of_undetected_region_is_unchanged(comparison: Comparison) -> None:
    """A region that is detected in one process only is trained in both."""
    saved = load_saved_state(comparison[0] / "rank0")["region_discriminators"]
    initial = new_training(SINGLE_PROCESS)[1].region_discriminators.state_dict()
    unchanged = {name for name in saved if torch.equal(saved[name], initial[name])}
    assert {name for name in saved if name.startswith("mouth.")} == unchanged
    assert any(name.startswith("face.") for name in saved)


def test_losses_equal_those_of_one_process(comparison: Comparison) -> None:
    folder, _, single_losses = comparison
    first, second = (json.loads((folder / f"losses{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert [terms.keys() for terms in first] == [terms.keys() for terms in single_losses]
    for distributed_terms, single_terms in zip(first, single_losses, strict=True):
        assert distributed_terms == pytest.approx(single_terms, rel=1e-5)  # losses are reported in float32
    assert "region_discriminator_face" in single_losses[0]
    assert "temporal_discriminator_2" in single_losses[0]


def test_clips_differ_in_confident_pixels(comparison: Comparison) -> None:
    """Otherwise the tests above would accept a mean of means."""
    flow_estimator = new_training(SINGLE_PROCESS)[0].context.flow_estimator
    confidences = [
        float(estimate_reference_flow(flow_estimator, make_clips(0, indices).frames, 1).confidence.mean())
        for indices in ([0], [1])
    ]
    assert max(confidences) > 1.5 * min(confidences) > 0


def test_resume_with_other_number_of_processes(comparison: Comparison) -> None:
    """One process resumes the state of two, and two resume the state of one."""
    folder, state, _ = comparison
    training, resumed = new_training(SINGLE_PROCESS, seed=9)
    load_train_state(folder / "distributed" / f"step_{HALF_STEPS:07d}", resumed, CPU)
    training.train_until(resumed, NUM_STEPS)
    assert max(relative_differences(resumed.state_dict(), state.state_dict()).values()) < TOLERANCE
    assert max(relative_differences(load_saved_state(folder / "resumed"), state.state_dict()).values()) < TOLERANCE


def test_all_processes_end_together(comparison: Comparison) -> None:
    """If one reaches its limit, if the main process fails, and if one is killed."""
    endings = [json.loads((comparison[0] / f"endings{rank}.json").read_text()) for rank in (0, 1)]
    assert endings == [[1, "DiskFullError"], [1, "RankStoppedError"]]
    assert (comparison[0] / "worker_lost").is_file()


def test_shard_assigns_each_clip_to_one_process() -> None:
    assert sorted(clip for rank in range(3) for clip in ProcessGroup(rank, 3).shard(6)) == list(range(6))
    assert list(ProcessGroup(1, 2).shard(4)) == [1, 3]
    assert list(SINGLE_PROCESS.shard(3)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("batch_size", "world_size", "suggestion"), [(1, 2, "=2"), (5, 2, "=4 or 6"), (7, 4, "=4 or 8")]
)
def test_shard_rejects_indivisible_batch_size(batch_size: int, world_size: int, suggestion: str) -> None:
    with pytest.raises(ConfigError, match=f"schedule.batch_size={batch_size}") as caught:
        ProcessGroup(0, world_size).shard(batch_size)
    assert f"schedule.batch_size{suggestion}" in caught.value.hint


def test_local_device_is_own_gpu_or_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ProcessGroup(5, 8, 1).local_device("cpu") == "cpu"
    assert SINGLE_PROCESS.local_device("mps") == "mps"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert ProcessGroup(5, 8, 1).local_device("auto") == ProcessGroup(5, 8, 1).local_device("cuda") == "cuda:1"
    for device in ("mps", "cuda:1"):
        with pytest.raises(DeviceError, match=device):
            ProcessGroup(5, 8, 1).local_device(device)
    with pytest.raises(DeviceError, match="3"):
        ProcessGroup(6, 8, 2).local_device("auto")


def test_resolve_num_processes_checks_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_num_processes(2, "auto") == 2
    assert resolve_num_processes(4, "cpu") == 4
    assert resolve_num_processes(None, "auto") == 1
    assert resolve_num_processes(1, "mps") == 1
    for device in ("mps", "cuda:1"):
        with pytest.raises(DeviceError, match=device):
            resolve_num_processes(2, device)
    with pytest.raises(DeviceError, match="4") as caught:
        resolve_num_processes(4, "cuda")
    assert "--gpus 2" in caught.value.hint
    assert "--device cpu" in caught.value.hint


def test_process_group_reads_torchrun_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert ProcessGroup.from_env() == ProcessGroup(3, 4, 1)
    assert not ProcessGroup.from_env().is_main
    assert resolve_num_processes(8, "auto") == 4
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert ProcessGroup.from_env() == SINGLE_PROCESS
