"""Commands in real processes: events, errors, the queue, and how they are stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.slow_plugin import add_slow_plugin

from vid2vid_cli.ui.job import Job
from vid2vid_cli.ui.jobs import MAX_KEPT, MAX_WAITING, Jobs, TooManyJobsError


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    jobs = Jobs(tmp_path)
    yield jobs
    jobs.close()
    assert jobs.num_active == 0


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_failed_commands_have_the_message_of_the_command(jobs: Jobs) -> None:
    missing = jobs.start("train", ["inspect", "none.ckpt"])
    wrong_option = jobs.start("prepare", ["inspect", "--wrong"])
    wait_for(lambda: not (missing.is_active or wrong_option.is_active))
    record: dict[str, Any] = missing.to_json()
    assert (record["state"], record["exit_code"]) == ("failed", 10)
    assert "none.ckpt" in record["error"]["message"]
    assert record["error"]["hint"]
    record = wrong_option.to_json()  # a wrong option is no event
    assert (record["state"], record["exit_code"]) == ("failed", 2)
    assert record["error"]["message"] == "No such option: --wrong"


def test_queue_progress_and_stop(jobs: Jobs, blob_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_slow_plugin(tmp_path, monkeypatch)
    first = jobs.start("prepare", ["prepare", "-c", "slow", str(blob_video)])
    second = jobs.start("transfer", ["inspect", "none.ckpt"])
    third = jobs.start("prepare", ["inspect", "none.ckpt"])
    wait_for(lambda: first.to_json()["progress"])
    assert [first.state, second.state, third.state] == ["running", "queued", "queued"]
    assert first.command_line == f"vid2vid prepare -c slow {blob_video}"
    second.stop()
    assert second.state == "stopped"
    first.stop()
    wait_for(lambda: not first.is_active)
    record: dict[str, Any] = first.to_json()
    assert (record["state"], record["exit_code"]) == ("stopped", 130)
    assert record["continue"] == first.command_line
    assert record["error"] is None
    wait_for(lambda: not third.is_active)  # it was started when the first one had ended
    assert third.exit_code == 10
    assert second.exit_code is None


def test_close_stops_what_runs_and_waits(tmp_path: Path, blob_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_slow_plugin(tmp_path, monkeypatch)
    jobs = Jobs(tmp_path)
    running = jobs.start("prepare", ["prepare", "-c", "slow", str(blob_video)])
    waiting = jobs.start("prepare", ["prepare", "-c", "slow", str(blob_video)])
    wait_for(lambda: running.to_json()["progress"])
    jobs.close()
    assert [running.state, waiting.state, running.exit_code, waiting.exit_code] == ["stopped", "stopped", 130, None]
    with pytest.raises(TooManyJobsError):
        jobs.start("prepare", ["prepare"])


def test_stop_ends_by_force_at_last(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ignore_signals = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    add_slow_plugin(tmp_path, monkeypatch, ignore_signals + "open('ready', 'w').close()\ntime.sleep(60)\n")
    job = jobs.start("prepare", ["prepare", "-c", "slow", "x.mp4"])
    wait_for((tmp_path / "ready").exists)
    for _ in range(3):
        assert job.is_active
        job.stop()
    wait_for(lambda: not job.is_active)
    assert (job.state, job.exit_code) == ("stopped", -9)


def test_events_of_a_training_become_progress() -> None:
    job = Job(1, "train", ["train"])
    losses = '"losses": {"l1": 0.5, "odd": null}, "elapsed_seconds": 1.0, "max_seconds": null'
    for line in (
        "text of a library",
        "[1]",
        '{"event": "progress"}',
        '{"event": "step", "losses": 3}',
        f'{{"event": "step", "step": 3, "max_steps": 12, {losses}}}',
        '{"event": "warning", "message": "careful"}',
        '{"event": "warning", "message": "careful"}',
        '{"event": "artifact", "path": "runs/a/samples/step_3.png", "kind": "sample", "details": {}}',
    ):
        job._read_event(line)
    record: dict[str, Any] = job.to_json()
    assert (record["progress"]["stage"], record["progress"]["fraction"]) == ("train", 0.25)
    assert record["progress"]["losses"] == {"l1": "0.5", "odd": "nan"}
    assert record["warnings"] == ["careful"]
    assert record["sample"] == "runs/a/samples/step_3.png"


def test_jobs_are_limited(jobs: Jobs) -> None:
    jobs._running[True] = Job(0, "train", ["train"])  # nothing is started
    waiting = [jobs.start("train", ["train"]) for _ in range(MAX_WAITING)]
    with pytest.raises(TooManyJobsError):
        jobs.start("train", ["train"])
    for _ in range(MAX_KEPT + 10):
        waiting.pop().stop()
        waiting.append(jobs.start("train", ["train"]))
    assert len(jobs.to_json()) == MAX_WAITING + MAX_KEPT
    assert jobs.num_active == MAX_WAITING
