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
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.event_log import read_event_log
from vid2vid_cli.engine.events import Event, StepEvent
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.engine.state_files import read_pointer
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.training.job import TrainRequest, scale_batch_to_processes


def collect_listening_addresses(addresses: set[str]) -> None:
    """Add the addresses on which descendants of this process listen, in hexadecimal; Linux only, without end."""
    while threading.main_thread().is_alive() and Path("/proc/net/tcp").exists():
        parents = {int(path.parent.name): parent_of(path) for path in Path("/proc").glob("[0-9]*/stat")}
        descendants = {os.getpid()}
        while new := {pid for pid, parent in parents.items() if parent in descendants} - descendants:
            descendants |= new
        sockets = {link_target(link) for pid in descendants for link in Path(f"/proc/{pid}/fd").glob("*")}
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                    addresses.add(fields[1].partition(":")[0])
        time.sleep(0.1)


def parent_of(stat_file: Path) -> int:
    try:
        return int(stat_file.read_text().rpartition(")")[2].split()[1])
    except OSError:  # the process has ended
        return 0


def link_target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


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
    (tmp_path / "pickle.py").write_text("raise SystemExit('code of the working folder was executed')")
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

    addresses: set[str] = set()
    threading.Thread(target=send_interrupt, daemon=True).start()
    threading.Thread(target=collect_listening_addresses, args=(addresses,), daemon=True).start()
    args = ("--config", "two.yaml", "--data", str(dataset), "--steps", "100000", "--gpus", "2", "--device", "cpu")
    previous_handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "argv", ["vid2vid", "train", *args])
    assert cli.run_command_line(sys.argv[1:]) == 130
    assert {address for address in addresses if not address.endswith("0100007F")} == set()
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
