"""What is shown, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vid2vid_cli.engine import progress as pacing
from vid2vid_cli.engine.events import Advanced, Noticed, Stepped, Warned, Wrote
from vid2vid_cli.engine.progress import Pace, clock, short
from vid2vid_cli.terminal import Terminal


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only moves when told: now[0] is the time."""
    time = [100.0]
    monkeypatch.setattr(pacing.time, "monotonic", lambda: time[0])
    return time


def test_rate_and_end_of_a_stage(now: list[float]) -> None:
    pace = Pace("annotate", "frames")
    for second in range(11):
        now[0] = 100.0 + second
        pace.move(20 * second, 1000)
    assert (pace.rate, pace.left, pace.part) == (20.0, 40.0, 0.2)
    assert pace.cells() == ["200/1000 frames", "20 frames/s", "ETA 0:40"]


def test_a_time_budget_ends_training(now: list[float]) -> None:
    pace = Pace("train", "steps")
    for step in range(1, 6):
        now[0] += 2.0
        pace.step(Stepped(step, None, {"pixel": 1.0}, seconds=2.0 * step, budget=60.0))
    assert pace.left == 50.0
    assert pace.part == pytest.approx(10 / 60)


def test_losses_are_smoothed_and_recover_from_nan(now: list[float]) -> None:
    pace = Pace("train", "steps")
    for value in (1.0, 2.0):
        pace.step(Stepped(1, 10, {"pixel": value}, seconds=1.0))
    assert pace.losses["pixel"] == pytest.approx(1.1)
    pace.step(Stepped(1, 10, {"pixel": float("nan")}, seconds=1.0))
    pace.step(Stepped(1, 10, {"pixel": 3.0}, seconds=1.0))
    assert pace.losses["pixel"] == 3.0


def test_heartbeats_without_a_terminal(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal("prepare") as terminal:
        for frame in range(1, 1001):
            now[0] += 0.1
            terminal.tell(Advanced("annotate", frame, 1000))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 20
    assert lines[0] == "annotate  50/1000 frames  10 frames/s  ETA 1:35"
    assert lines[-1].startswith("annotate  1000/1000 frames")


def test_slow_work_is_heard_of_every_quarter_minute(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal("train") as terminal:
        for step in range(1, 62):
            terminal.tell(Stepped(step, 100000, {"pixel": 0.5}, seconds=float(step)))
            now[0] += 1.0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0] == "train  16/100000 steps  1 steps/s  ETA 27:46:24  pixel 0.5"


def test_the_path_is_all_that_stdout_gets(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal("prepare") as terminal:
        terminal.tell(Noticed("12 frames were there already."))
        terminal.tell(Warned("The sound is silent [sic]."))
        terminal.done(Path("datasets/video"), "edges on 12 of 12 frames", "vid2vid train", {})
    told = capsys.readouterr()
    assert told.out == "datasets/video\n"
    assert told.err.splitlines() == [
        "12 frames were there already.",
        "Warning: The sound is silent [sic].",
        "edges on 12 of 12 frames",
        "Next: vid2vid train",
    ]


def test_quiet_leaves_warnings_and_the_path(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal("prepare", quiet=True) as terminal:
        terminal.tell(Noticed("hello"))
        terminal.tell(Advanced("annotate", 5, 5))
        terminal.tell(Warned("careful"))
        terminal.done(Path("datasets/video"), "all well", "vid2vid train", {})
    told = capsys.readouterr()
    assert (told.out, told.err) == ("datasets/video\n", "Warning: careful\n")


def test_json_is_one_object_a_line_and_the_result_last(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal("train", as_json=True) as terminal:
        for step in range(1, 101):
            now[0] += 0.05
            terminal.tell(Stepped(step, 100, {"pixel": float("nan")}, seconds=0.05 * step))
        terminal.tell(Warned("careful"))
        terminal.tell(Wrote("runs/a/a.ckpt", "checkpoint", {"steps": 100}))
        terminal.done(Path("runs/a/a.ckpt"), "", "vid2vid transfer", {"steps": 100})
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    steps = [event for event in events if event["event"] == "stepped"]
    assert 4 <= len(steps) <= 6
    assert steps[-1]["step"] == 100
    assert steps[-1]["losses"] == {"pixel": None}
    assert events[-1] == {
        "event": "done",
        "command": "train",
        "path": "runs/a/a.ckpt",
        "steps": 100,
        "next": "vid2vid transfer",
        "warnings": ["careful"],
        "wrote": [{"path": "runs/a/a.ckpt", "what": "checkpoint", "details": {"steps": 100}}],
    }


def test_control_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal("train")
    terminal.resume = "vid2vid train --resume"
    with pytest.raises(KeyboardInterrupt), terminal:
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "Stopped.\nContinue: vid2vid train --resume\n"


def test_figures_for_people() -> None:
    assert [clock(s) for s in (0.4, 7, 750, 3723)] == ["0:00", "0:07", "12:30", "1:02:03"]
    assert [short(v) for v in (0.012345, 3.14159, 99.96, 1234.5, float("nan"))] == [
        "0.0123",
        "3.14",
        "100",
        "1234",
        "nan",
    ]
