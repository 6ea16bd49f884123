"""The choice of precision and memory format by the time of frames."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from networks.test_fast import tiny_generator

from vid2vid_cli.engine.runtime import Runtime, cpu_runtimes
from vid2vid_cli.rendering import generator_timing
from vid2vid_cli.rendering.generator_timing import InputShape, choose_fastest, set_memory_format

CPU = torch.device("cpu")
RUNTIMES = Runtime(CPU, "fp32", True), Runtime(CPU, "fp32", False), Runtime(CPU, "bf16", True)


@pytest.fixture(autouse=True)
def _no_earlier_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator_timing, "_choices", {})
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def shape_of(generator: Any, size: int) -> InputShape:
    return InputShape(size, size, generator.condition_channels, 0)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([0.021, 0.020, 0.026], 0),
        ([0.021, 0.017, 0.026], 1),
        ([0.021, 0.017, 0.015], 2),
        ([0.002, 0.001, 0.001], 0),
        ([0.021, 0.021, 0.020], 0),
    ],
)
def test_choose_fastest_changes_the_default_for_a_clear_gain(
    seconds: list[float], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def measure(_: Any, runtimes: Sequence[Runtime], shape: InputShape, num_rounds: int) -> list[float]:
        calls.append(shape.height)
        return [1e-3] if len(runtimes) == 1 else seconds

    monkeypatch.setattr(generator_timing, "_frame_seconds", measure)
    generator = tiny_generator()
    for _ in range(2):  # measured once
        runtime = choose_fastest(generator, RUNTIMES, shape_of(generator, 512))
        assert runtime == RUNTIMES[expected]
    set_memory_format(generator, runtime)
    assert calls == [128, 256, 512]
    weight = generator.image_head.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) is RUNTIMES[expected].channels_last


@pytest.mark.parametrize(("kept", "num_measured"), [([2, 1], 0), ([9, 0], 3), ([0, -1], 3), ("fast", 3)])
def test_kept_choice_is_not_measured_again(
    kept: Any, num_measured: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of another process, unless it is not valid."""
    monkeypatch.setenv("VID2VID_CACHE_DIR", str(tmp_path))
    calls = []

    def measure(_: Any, runtimes: Sequence[Runtime], *__: Any) -> list[float]:
        calls.append(runtimes)
        return [1e-3] if len(runtimes) == 1 else [0.021, 0.020, 0.010]

    monkeypatch.setattr(generator_timing, "_frame_seconds", measure)
    monkeypatch.setattr(generator_timing, "recall_choice", lambda kind, key: kept)
    generator = tiny_generator()
    chosen = choose_fastest(generator, RUNTIMES, shape_of(generator, 512))
    assert len(calls) == num_measured
    assert chosen == (RUNTIMES[2] if num_measured else replace(RUNTIMES[2], num_threads=1))


def test_choice_is_kept_for_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_CACHE_DIR", str(tmp_path))
    generator = tiny_generator()
    times = iter([[1e-3], [1e-3], [0.021, 0.020, 0.010]])
    monkeypatch.setattr(generator_timing, "_frame_seconds", lambda *_: next(times))
    choices = []
    for _ in range(2):
        generator_timing._choices.clear()
        choices.append(choose_fastest(generator, RUNTIMES, shape_of(generator, 512)))
    assert choices == [RUNTIMES[2]] * 2


@pytest.mark.parametrize(("quarter_seconds", "sizes"), [(0.002, [128, 256, 512]), (0.02, [128, 128]), (1.0, [128])])
def test_choose_fastest_takes_little_time(
    quarter_seconds: float, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def measure(_: Any, runtimes: Sequence[Runtime], shape: InputShape, num_rounds: int) -> list[float]:
        calls.append(shape.height)
        return [quarter_seconds] * len(runtimes)

    monkeypatch.setattr(generator_timing, "_frame_seconds", measure)
    generator = tiny_generator()
    assert choose_fastest(generator, RUNTIMES, shape_of(generator, 512)) == RUNTIMES[0]
    assert calls == sizes


@pytest.mark.parametrize(
    ("seconds", "num_threads", "environment", "expected"),
    [
        (0.04, 4, None, 3),  # a quarter of 40 ms is gained by the fourth thread, less than the other stages take
        (0.04, 2, None, 1),
        (0.04, 1, None, 0),
        (0.08, 2, None, 0),  # half of 80 ms is more
        (0.04, 2, "2", 0),
    ],
)
def test_one_thread_is_left_to_the_other_stages(
    seconds: float, num_threads: int, environment: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    if environment is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", environment)
    monkeypatch.setattr(torch, "get_num_threads", lambda: num_threads)
    monkeypatch.setattr(generator_timing, "_frame_seconds", lambda _, runtimes, *__: [seconds] * len(runtimes))
    monkeypatch.setattr(generator_timing, "MAX_SECONDS", 100)
    generator = tiny_generator()
    assert choose_fastest(generator, RUNTIMES, shape_of(generator, 512)).num_threads == expected


@pytest.mark.parametrize("size", [24, 64])
def test_choose_fastest_measures_real_frames(size: int) -> None:
    generator = tiny_generator().eval()
    start = time.process_time()
    chosen = choose_fastest(generator, cpu_runtimes(), shape_of(generator, size))
    assert replace(chosen, num_threads=0) in cpu_runtimes()
    assert time.process_time() - start < 10
