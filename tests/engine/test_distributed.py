"""Two processes are one: weights, averages, optimisers and what is told, from the start, resumed, and at the end."""

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
from engine.test_loop import flat
from helpers import distributed_worker
from helpers.distributed_worker import HALF, STEPS, clips, fresh
from helpers.factories import CPU

from vid2vid_cli.core.errors import ConfigError, DeviceError
from vid2vid_cli.engine.checkpoint import STATE_FILE, load_state, save_state
from vid2vid_cli.engine.distributed import ALONE, Group
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import reference_flow
from vid2vid_cli.engine.torchrun import process_count

NEAR = 1e-6
"""Of weights near 0.1 and, beside the largest, of moments of gradients near 10; in 64 bits. Sums are taken in another
order, and Adam divides what that leaves of a gradient that is truly 0 (a bias before a normalisation) by 1e-8. In 32
bits those would be whole steps, and hide everything else."""


def start(folder: Path) -> subprocess.Popen[str]:
    """Two processes, with the environment that torchrun would give them; the second is the child of the first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    around = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    words = [sys.executable, distributed_worker.__file__, str(folder)]
    return subprocess.Popen(words, env=around, stderr=subprocess.PIPE, text=True)


def numbers(saved: Any) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(value) for name, value in flat(saved) if isinstance(value, (float, torch.Tensor))}


def apart(first: Any, second: Any) -> dict[str, float]:
    """The largest difference of each tensor of two states, beside 1 or the largest number in it."""
    one, other = numbers(first), numbers(second)
    assert one.keys() == other.keys()
    largest = {name: max(1.0, float(value.abs().max())) for name, value in one.items()}
    return {name: float((one[name] - other[name]).abs().max()) / largest[name] for name in one}


def saved(folder: Path, step: int = STEPS) -> Any:
    return torch.load(folder / f"step_{step:07d}" / STATE_FILE, weights_only=True)["state"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, TrainState, list[dict[str, float]]]]:
    """The files of two processes, and the state and losses of one that had the same batches."""
    folder = tmp_path_factory.mktemp("several")
    torch.set_default_dtype(torch.float64)
    try:
        learning, state = fresh(ALONE)
        learning.learn(state, HALF)
        save_state(folder / "one", state, {})
        process = start(folder)
        learning.learn(state, STEPS)
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        yield folder, state, learning.told
    finally:
        torch.set_default_dtype(torch.float32)


Both = tuple[Path, TrainState, list[dict[str, float]]]


def test_two_processes_learn_what_one_does(both: Both) -> None:
    folder, state, _ = both
    differences = apart(saved(folder / "rank0"), state.state_dict())
    assert {name: value for name, value in differences.items() if value > NEAR} == {}
    parts = {name.split(".")[1] for name in differences}
    assert parts >= {"generator", "average", "discriminator", "temporal", "region", "generator_optimizer"}
    changed = apart(fresh(ALONE)[1].state_dict()["generator"], state.state_dict()["generator"])
    assert max(changed.values()) > 1e3 * NEAR


def test_every_process_has_the_same_weights_to_the_last_bit(both: Both) -> None:
    assert set(apart(saved(both[0] / "rank0"), saved(both[0] / "rank1")).values()) == {0.0}


def test_a_judge_that_nobody_has_seen_anything_for_is_left_alone(both: Both) -> None:
    """Not even its momentum moves; and that of one which only one process has seen something for does."""
    kept = saved(both[0] / "rank0")["region"]
    fresh_judges = fresh(ALONE)[1].region.state_dict()
    same = {name for name in kept if torch.equal(kept[name], fresh_judges[name])}
    assert {name for name in kept if name.startswith("mouth.")} == same
    assert any(name.startswith("face.") for name in kept)


def test_the_losses_told_are_those_of_one_process(both: Both) -> None:
    folder, _, told = both
    first, second = (json.loads((folder / f"told{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert [terms.keys() for terms in first] == [terms.keys() for terms in told]
    for ours, theirs in zip(first, told, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)  # told in 32 bits
    assert "region_discriminator_face" in told[0]
    assert "temporal_discriminator_2" in told[0]


def test_the_clips_differ_in_what_is_found_on_them(both: Both) -> None:
    """Or the tests above would not see a mean of means."""
    teacher = fresh(ALONE)[0].trainer.teacher  # type: ignore[attr-defined]
    trusted = [float(reference_flow(teacher, clips(0, own).frames, 1).confidence.mean()) for own in ([0], [1])]
    assert max(trusted) > 1.5 * min(trusted) > 0


def test_one_process_continues_what_two_began_and_two_what_one(both: Both) -> None:
    folder, state, _ = both
    learning, alone = fresh(ALONE, seed=9)
    load_state(folder / "several" / f"step_{HALF:07d}", alone, CPU)
    learning.learn(alone, STEPS)
    assert max(apart(alone.state_dict(), state.state_dict()).values()) < NEAR
    assert max(apart(saved(folder / "resumed"), state.state_dict()).values()) < NEAR


def test_all_end_together(both: Both) -> None:
    """After the same step, whichever has had enough; where the leading one fails; and where one is killed."""
    ends = [json.loads((both[0] / f"ends{rank}.json").read_text()) for rank in (0, 1)]
    assert ends == [[1, "DiskFullError"], [1, "EndedElsewhereError"]]
    assert (both[0] / "lost").is_file()


def test_every_clip_belongs_to_one_process() -> None:
    assert sorted(clip for rank in range(3) for clip in Group(rank, 3).clips(6)) == list(range(6))
    assert list(Group(1, 2).clips(4)) == [1, 3]
    assert list(ALONE.clips(3)) == [0, 1, 2]


@pytest.mark.parametrize(("batch", "world", "fitting"), [(1, 2, "=2"), (5, 2, "=4 or 6"), (7, 4, "=4 or 8")])
def test_a_batch_that_cannot_be_dealt_out_evenly(batch: int, world: int, fitting: str) -> None:
    with pytest.raises(ConfigError, match=f"schedule.batch={batch} .*{world} processes") as caught:
        Group(0, world).clips(batch)
    assert caught.value.hint == f"--set schedule.batch{fitting}"


def test_each_has_a_gpu_of_its_own_or_all_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Group(5, 8, 1).device("cpu") == "cpu"
    assert ALONE.device("mps") == "mps"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert Group(5, 8, 1).device("auto") == Group(5, 8, 1).device("cuda") == "cuda:1"
    assert process_count(2, "auto") == 2
    for wrong in ("mps", "cuda:1"):
        with pytest.raises(DeviceError, match="is not for 8 processes"):
            Group(5, 8, 1).device(wrong)
        with pytest.raises(DeviceError, match="is not for 2 processes"):
            process_count(2, wrong)
    with pytest.raises(DeviceError, match="This machine has 2 CUDA GPUs, and 3 are needed"):
        Group(6, 8, 2).device("auto")
    with pytest.raises(DeviceError, match="has 2 CUDA GPUs, and 4 are needed") as caught:
        process_count(4, "cuda")
    assert caught.value.hint.startswith("Use --gpus 2, or --device cpu")
    assert (process_count(4, "cpu"), process_count(None, "auto"), process_count(1, "mps")) == (4, 1, 1)


def test_torchrun_says_who_is_who(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert Group.around() == Group(3, 4, 1)
    assert not Group.around().leads
    assert process_count(8, "auto") == 4
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert Group.around() == ALONE
