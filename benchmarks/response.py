"""Processor time of `--help` and of rendering the conditions of one frame."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.inputs import BenchmarkInputs, Case, Log
from vid2vid_cli.core.markdown import format_table
from vid2vid_cli.data.clip_sampler import render_conditions
from vid2vid_cli.training_data.open_data import open_training_data

HELP_COMMANDS = ((), ("train",), ("presets", "show"))


@dataclass(frozen=True)
class ResponsePlan:
    """Number of measurements. Processor time does not include waiting for a core."""

    num_rounds: int = 8
    num_frames: int = 50


def measure(inputs: BenchmarkInputs, log: Log, plan: ResponsePlan | None = None) -> dict[str, Any]:
    """Processor seconds of `vid2vid ... --help`, and of rendering conditions at 128 and 256 px."""
    plan = plan or ResponsePlan()
    results: dict[str, Any] = {"help": {}, "render": {}}
    for arguments in HELP_COMMANDS:
        name = " ".join(("vid2vid", *arguments, "--help"))
        results["help"][name] = [_time_help([*arguments, "--help"]) for _ in range(plan.num_rounds)]
        log(f"response: {name}, {min(results['help'][name]):.2f} s")
    for height in (128, 256):
        results["render"][f"{height} px"] = _time_rendering(inputs, height, plan)
    return results


def format_results(results: Mapping[str, Any]) -> str:
    """The minimum and the median, in milliseconds."""
    times = {**results["help"], **{f"conditions at {name}": values for name, values in results["render"].items()}}
    rows = [
        [name, f"{1e3 * min(values):.1f}", f"{1e3 * statistics.median(values):.1f}"] for name, values in times.items()
    ]
    return format_table("Processor time, ms", ["", "minimum", "median"], rows)


def _time_help(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "vid2vid_cli", *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _time_rendering(inputs: BenchmarkInputs, height: int, plan: ResponsePlan) -> list[float]:
    training_data = open_training_data(inputs.dataset, Case("tiny", height).config)
    dataset = training_data.dataset
    clip_index = dataset.frame_ranges("all")[0].clip_index
    annotations = [dataset.load_annotation(clip_index, 0, c.spec.name) for c in training_data.conditioners]
    seconds = []
    for _ in range(plan.num_frames):
        start = time.process_time()
        render_conditions(training_data.conditioners, annotations, training_data.views)
        seconds.append(time.process_time() - start)
    return seconds
