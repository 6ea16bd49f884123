"""`train --gpus`: errors, the plan, and two real processes on the CPU with Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from helpers.cli_runner import CliRunner
from helpers.factories import tiny_config

from vid2vid_cli import cli
from vid2vid_cli.config.resolve import dump_yaml, resolve_config
from vid2vid_cli.engine.checkpoint import load_metadata
from vid2vid_cli.engine.event_log import read_event_log
from vid2vid_cli.engine.events import Event, StepEvent
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.engine.state_files import read_pointer
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.training.job import TrainRequest, scale_batch_to_processes


def scaled_batch_size(*overrides: str, num_processes: int) -> int:
    return scale_batch_to_processes(resolve_config("tiny", None, overrides), num_processes).schedule.batch_size


def test_scale_batch_to_processes_keeps_explicit_batch_size() -> None:
    assert scaled_batch_size(num_processes=4) == 4
    assert scaled_batch_size(num_processes=1) == 1
    assert scaled_batch_size("schedule.batch_size=1", num_processes=4) == 1
    assert scaled_batch_size("schedule.batch_size=8", num_processes=4) == 8


def test_train_plan_shows_clips_per_process(run_cli: CliRunner, dataset: Path) -> None:
    small_args = ("--set", "generator.base_channels=4", "--set", "discriminators.image.base_channels=4")
    args = ("train", "--data", str(dataset), "--dry-run", "--device", "cpu", *small_args, "--gpus", "3")
    assert "3 (1 in each of 3 processes)" in run_cli(*args).stdout
    result = run_cli(*args, "--set", "schedule.batch_size=4")
    assert (result.exit_code, "schedule.batch_size=3 or 6" in result.stderr) == (21, True)


def test_train_rejects_more_gpus_than_available(run_cli: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    result = run_cli("train", "--gpus", "2")
    assert result.exit_code == 45
    assert "--gpus 1" in result.stderr


def test_train_two_processes_interrupt_and_resume_on_one(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Only the main process writes and prints; both train on the clips that one process would sample."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = tiny_config(schedule={"batch_size": 2, "clip_length": 3, "max_clip_length": 3})
    (tmp_path / "two.yaml").write_text(dump_yaml(config))
    run = RunFolder(tmp_path / "runs" / "blob")

    def send_interrupt() -> None:
        while threading.main_thread().is_alive():
            if any(event.get("step") == 2 for event in read_event_log(run.path)):
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.05)

    threading.Thread(target=send_interrupt, daemon=True).start()
    args = ("--config", "two.yaml", "--data", str(dataset), "--steps", "100000", "--gpus", "2", "--device", "cpu")
    previous_handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "argv", ["vid2vid", "train", *args])
    assert cli.run_command_line(sys.argv[1:]) == 130
    stderr = capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is previous_handler
    assert stderr.count("1 in each of 2 processes") == 1
    assert stderr.splitlines()[-2:] == ["Stopped.", "Continue: vid2vid train --resume runs/blob --gpus 2"]
    last_checkpoint = read_pointer(run.checkpoints, "last")
    assert last_checkpoint is not None
    step_events = [event for event in read_event_log(run.path) if event["event"] == "step"]
    steps = [event["step"] for event in step_events]
    assert steps == list(range(1, int(last_checkpoint.name[5:]) + 1))
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["blob"]

    events: list[Event] = []
    train(TrainRequest(config, data=dataset, out=tmp_path / "alone", max_steps=1, device="cpu"), events.append)
    (first_losses,) = (event.losses for event in events if isinstance(event, StepEvent))
    assert step_events[0]["losses"] == pytest.approx(dict(first_losses), rel=1e-4)
    resumed = train(TrainRequest(config, resume=run.path, max_steps=steps[-1] + 1, device="cpu"), events.append)
    assert load_metadata(resumed.checkpoint).training["steps"] == steps[-1] + 1
