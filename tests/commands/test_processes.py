"""`train --gpus`: what is refused, what is planned, and two real processes on the CPU until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from helpers.cli_runner import Vid2Vid
from helpers.factories import tiny_config

from vid2vid_cli import cli
from vid2vid_cli.config.resolve import dump_yaml, load_layers
from vid2vid_cli.engine.checkpoint import load_info, pointed
from vid2vid_cli.engine.event_log import read_journal
from vid2vid_cli.engine.events import Event, Stepped
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.training.job import TrainRequest, one_clip_each


def batch_of(*sets: str, processes: int) -> int:
    return one_clip_each(load_layers("tiny", None, sets, {}), processes).schedule.batch


def test_one_clip_for_each_where_nobody_has_chosen_a_batch() -> None:
    assert batch_of(processes=4) == 4
    assert batch_of(processes=1) == 1
    assert batch_of("schedule.batch=1", processes=4) == 1
    assert batch_of("schedule.batch=8", processes=4) == 8


def test_the_plan_says_how_clips_are_dealt_out(vid2vid: Vid2Vid, dataset: Path) -> None:
    small = ("--set", "generator.width=4", "--set", "discriminator.width=4")
    common = ("train", "--data", str(dataset), "--dry-run", "--device", "cpu", *small, "--gpus", "3")
    assert "clips           3 a step, 1 in each of 3 processes" in vid2vid(*common).out
    refused = vid2vid(*common, "--set", "schedule.batch=4")
    assert (refused.code, "Try: --set schedule.batch=3 or 6" in refused.err) == (21, True)


def test_more_gpus_than_there_are(vid2vid: Vid2Vid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    refused = vid2vid("train", "--gpus", "2")
    assert refused.code == 45
    assert "This machine has 1 CUDA GPU, and 2 are needed" in refused.err


def test_two_processes_until_ctrl_c_and_one_continues(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One of them writes and talks; they learn from the clips that one process would have drawn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = tiny_config(schedule={"batch": 2, "clip": 3, "clip_max": 3})
    (tmp_path / "two.yaml").write_text(dump_yaml(config))
    run = RunFolder(tmp_path / "runs" / "blob")

    def interrupt() -> None:
        while threading.main_thread().is_alive():
            if any(event.get("step") == 2 for event in read_journal(run.path)):
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.05)

    threading.Thread(target=interrupt, daemon=True).start()
    words = ("--config", "two.yaml", "--data", str(dataset), "--steps", "100000", "--gpus", "2", "--device", "cpu")
    former = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "argv", ["vid2vid", "train", *words])
    assert cli.run(sys.argv[1:]) == 130
    err = capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is former
    assert err.count("clips: 2 a step, 1 in each of 2 processes") == 1
    assert err.splitlines()[-2:] == ["Stopped.", "Continue: vid2vid train --resume runs/blob --gpus 2"]
    last = pointed(run.checkpoints, "last")
    assert last is not None
    told = [event for event in read_journal(run.path) if event["event"] == "stepped"]
    steps = [event["step"] for event in told]
    assert steps == list(range(1, int(last.name[5:]) + 1))
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["blob"]

    alone: list[Event] = []
    train(TrainRequest(config, data=dataset, out=tmp_path / "alone", steps=1, device="cpu"), alone.append)
    (first,) = (event.losses for event in alone if isinstance(event, Stepped))
    assert told[0]["losses"] == pytest.approx(dict(first), rel=1e-4)
    resumed = train(TrainRequest(config, resume=run.path, steps=steps[-1] + 1, device="cpu"), alone.append)
    assert load_info(resumed.checkpoint).training["steps"] == steps[-1] + 1
