"""Output of the terminal on stdout and stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vid2vid_cli.engine import progress as pacing
from vid2vid_cli.engine.events import ArtifactEvent, InfoEvent, ProgressEvent, StepEvent, WarningEvent
from vid2vid_cli.engine.progress import ProgressMeter, format_duration, format_number
from vid2vid_cli.terminal import Terminal


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets: time[0] is the current time."""
    time = [100.0]
    monkeypatch.setattr(pacing.time, "monotonic", lambda: time[0])
    return time


def test_progress_meter_throughput_and_eta(fake_time: list[float]) -> None:
    meter = ProgressMeter("annotate", "frames")
    for second in range(11):
        fake_time[0] = 100.0 + second
        meter.set_progress(20 * second, 1000)
    assert (meter.throughput, meter.eta_seconds, meter.fraction) == (20.0, 40.0, 0.2)
    assert meter.status_cells() == ["200/1000 frames", "20 frames/s", "ETA 0:40"]


def test_progress_meter_eta_uses_time_budget(fake_time: list[float]) -> None:
    meter = ProgressMeter("train", "steps")
    for step in range(1, 6):
        fake_time[0] += 2.0
        meter.record_step(StepEvent(step, None, {"l1": 1.0}, elapsed_seconds=2.0 * step, max_seconds=60.0))
    assert meter.eta_seconds == 50.0
    assert meter.fraction == pytest.approx(10 / 60)


def test_progress_meter_smooths_losses_and_recovers_from_nan(fake_time: list[float]) -> None:
    meter = ProgressMeter("train", "steps")
    for value in (1.0, 2.0):
        meter.record_step(StepEvent(1, 10, {"l1": value}, elapsed_seconds=1.0))
    assert meter.losses["l1"] == pytest.approx(1.1)
    meter.record_step(StepEvent(1, 10, {"l1": float("nan")}, elapsed_seconds=1.0))
    meter.record_step(StepEvent(1, 10, {"l1": 3.0}, elapsed_seconds=1.0))
    assert meter.losses["l1"] == 3.0


def test_terminal_prints_progress_at_growing_intervals_without_tty(
    fake_time: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Terminal("prepare") as terminal:
        for frame in range(1, 1001):
            fake_time[0] += 0.125
            terminal.emit(ProgressEvent("annotate", frame, 1000))
        terminal.emit(ProgressEvent("annotate", 1000, 1000))
    lines = capsys.readouterr().err.splitlines()
    frames = [int(line.split()[1].split("/")[0]) for line in lines]
    assert frames == [1, 41, 81, 121, 161, 215, 287, 383, 511, 681, 908, 1000]
    assert lines[0] == "annotate       1/1000 frames"
    assert lines[1] == "annotate      41/1000 frames     8 frames/s  ETA 2:00"
    assert {line.index("/1000") for line in lines} == {16}
    assert {line.index(" frames/s") for line in lines[1:]} == {34}


def test_terminal_prints_one_short_line_about_many_losses(
    fake_time: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    losses = {f"loss_{index}": 1.0 for index in range(12)} | {"perceptual": 2.0, "l1": 0.25}
    with Terminal("train") as terminal:
        for step in range(1, 10**5, 10):
            terminal.emit(StepEvent(step, 100000, losses, elapsed_seconds=float(step)))
            fake_time[0] += 10.0
    lines = capsys.readouterr().err.splitlines()
    assert 100 < len(lines) < 200  # 28 hours, at most 600 seconds apart
    assert all(len(line) < 100 for line in lines)
    assert len({line.index("l1 0.25 ") for line in lines}) == 1
    assert lines[-1].endswith("perceptual 2")


def test_progress_meter_line_has_other_losses_if_none_is_preferred(fake_time: list[float]) -> None:
    meter = ProgressMeter("train", "steps")
    meter.record_step(StepEvent(1, 10, {"a": 1.0, "b": 2.0, "c": 3.0}, elapsed_seconds=1.0))
    assert meter.plain_line().split()[3:] == ["a", "1", "b", "2"]


def test_terminal_prints_only_path_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal("prepare") as terminal:
        terminal.emit(InfoEvent("12 frames exist already."))
        terminal.emit(WarningEvent("The audio is silent [sic]."))
        terminal.print_result(Path("datasets/video"), "edges on 12 of 12 frames", "vid2vid train", {})
    captured = capsys.readouterr()
    assert captured.out == "datasets/video\n"
    assert captured.err.splitlines() == [
        "12 frames exist already.",
        "Warning: The audio is silent [sic].",
        "edges on 12 of 12 frames",
        "Next: vid2vid train",
    ]


def test_terminal_quiet_keeps_warnings_and_path(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal("prepare", quiet=True) as terminal:
        terminal.emit(InfoEvent("hello"))
        terminal.emit(ProgressEvent("annotate", 5, 5))
        terminal.emit(WarningEvent("careful"))
        terminal.print_result(Path("datasets/video"), "all well", "vid2vid train", {})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("datasets/video\n", "Warning: careful\n")


def test_terminal_json_prints_one_object_per_line(fake_time: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal("train", as_json=True) as terminal:
        for step in range(1, 101):
            fake_time[0] += 0.05
            terminal.emit(StepEvent(step, 100, {"l1": float("nan")}, elapsed_seconds=0.05 * step))
        terminal.emit(WarningEvent("careful"))
        terminal.emit(ArtifactEvent("runs/a/a.ckpt", "checkpoint", {"steps": 100}))
        terminal.print_result(Path("runs/a/a.ckpt"), "", "vid2vid transfer", {"steps": 100})
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    steps = [event for event in events if event["event"] == "step"]
    assert 4 <= len(steps) <= 6
    assert steps[-1]["step"] == 100
    assert steps[-1]["losses"] == {"l1": None}
    assert events[-1] == {
        "event": "result",
        "command": "train",
        "path": "runs/a/a.ckpt",
        "steps": 100,
        "next_command": "vid2vid transfer",
        "warnings": ["careful"],
        "artifacts": [{"path": "runs/a/a.ckpt", "kind": "checkpoint", "details": {"steps": 100}}],
    }


def test_terminal_interrupt_prints_resume_command(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal("train")
    terminal.resume_command = "vid2vid train --resume"
    with pytest.raises(KeyboardInterrupt), terminal:
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "Stopped.\nContinue: vid2vid train --resume\n"


def test_format_duration_and_format_number() -> None:
    assert [format_duration(s) for s in (0.4, 7, 750, 3723)] == ["0:00", "0:07", "12:30", "1:02:03"]
    assert [format_number(v) for v in (0.012345, 3.14159, 99.96, 1234.5, float("nan"))] == [
        "0.0123",
        "3.14",
        "100",
        "1234",
        "nan",
    ]
