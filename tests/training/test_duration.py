"""The warning about a training that takes days."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from helpers.factories import CPU, tiny_config

from vid2vid_cli.engine.curriculum import clip_length
from vid2vid_cli.engine.distributed import ProcessGroup
from vid2vid_cli.engine.events import Event, StepEvent, WarningEvent
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training.duration import DurationCheck, peak_memory_bytes
from vid2vid_cli.training.job import resolve_train_job

SCHEDULE = {"max_steps": 2000, "clip_length": 4, "max_clip_length": 8, "clip_growth_interval": 1000}
"""4000 + 8000 frames."""


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def warnings_of_steps(
    dataset: Path, seconds: list[float], *, max_seconds: float | None = None, warmup_steps: int = 0
) -> list[str]:
    """The warnings of a training whose steps end at these seconds."""
    config = tiny_config(schedule={**SCHEDULE, "image_warmup_steps": warmup_steps})
    request = TrainRequest(config, "face", dataset, device="cpu", max_seconds=max_seconds)
    job = resolve_train_job(request, ProcessGroup())
    events: list[Event] = []
    check = DurationCheck(request, job, CPU, partial(clip_length, job.config, max_length=24), emit=events.append)
    steps = [
        StepEvent(index + 1, 2000, {}, elapsed_seconds=elapsed_seconds) for index, elapsed_seconds in enumerate(seconds)
    ]
    for step in steps:
        check(step)
    assert [event for event in events if isinstance(event, StepEvent)] == steps
    return [event.message for event in events if isinstance(event, WarningEvent)]


def test_duration_check_warns_once_after_the_first_steps(dataset: Path) -> None:
    """80 seconds per step of 4 frames, and 3000 times as many frames: 2.8 days. The start does not count."""
    (message,) = warnings_of_steps(dataset, [50.0, 130.0, 210.0, 290.0, 1e6])
    assert message.startswith("preset face ")
    assert "about 2.8 days" in message
    assert "80 seconds per step" in message
    assert re.search(r"[\d.]+ [MG]B of memory", message)
    assert f"vid2vid train --preset fast --data {dataset}" in message
    assert warnings_of_steps(dataset, [50.0, 130.0, 210.0]) == []


def test_duration_check_measures_a_long_first_step_alone(dataset: Path) -> None:
    (message,) = warnings_of_steps(dataset, [120.0, 500.0])
    assert "about 4.2 days" in message


def test_duration_check_accepts_trainings_of_less_than_a_day(dataset: Path) -> None:
    assert warnings_of_steps(dataset, [30.0, 58.0, 86.0, 114.0, 1e6]) == []


def test_duration_check_accepts_a_time_limit(dataset: Path) -> None:
    assert warnings_of_steps(dataset, [120.0, 500.0], max_seconds=60.0) == []


def test_duration_check_counts_single_frames_of_the_warmup(dataset: Path) -> None:
    """Two single frames per step: 500 of 2000 steps of 2, 500 of 4, 1000 of 8 frames give 11000 frames."""
    (message,) = warnings_of_steps(dataset, [50.0, 90.0, 130.0, 170.0], warmup_steps=500)
    assert "at least 2.5 days" in message


def test_peak_memory_bytes_of_this_process() -> None:
    assert 1e7 < peak_memory_bytes(CPU.device) < 1e12
