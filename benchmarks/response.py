"""What a person or a training loop waits for most often: help on the command line, and the drawing of a condition."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.inputs import Case, Material, Say
from benchmarks.tables import table
from vid2vid_cli.data.clip_sampler import render_conditions
from vid2vid_cli.training_data.training_data import open_subject

HELP = ((), ("train",), ("presets", "show"))


@dataclass(frozen=True)
class ResponsePlan:
    """How often each is measured; processor time, so that waiting for a core that others use does not count."""

    rounds: int = 8
    frames: int = 50


def measure(material: Material, say: Say, plan: ResponsePlan | None = None) -> dict[str, Any]:
    """Processor seconds of `vid2vid ... --help`, and of drawing the conditions of a frame at 128 and 256 px."""
    plan = plan or ResponsePlan()
    found: dict[str, Any] = {"help": {}, "draw": {}}
    for words in HELP:
        name = " ".join(("vid2vid", *words, "--help"))
        found["help"][name] = [_help_seconds([*words, "--help"]) for _ in range(plan.rounds)]
        say(f"response: {name}, {min(found['help'][name]):.2f} s")
    for size in (128, 256):
        found["draw"][f"{size} px"] = _draw_seconds(material, size, plan)
    return found


def show(found: Mapping[str, Any]) -> str:
    """As Markdown: the best and the median, in milliseconds."""
    timed = {**found["help"], **{f"conditions at {name}": values for name, values in found["draw"].items()}}
    rows = [
        [name, f"{1e3 * min(values):.1f}", f"{1e3 * statistics.median(values):.1f}"] for name, values in timed.items()
    ]
    return table("Processor time of an answer, ms", ["", "best", "median"], rows)


def _help_seconds(words: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "vid2vid_cli", *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _draw_seconds(material: Material, size: int, plan: ResponsePlan) -> list[float]:
    subject = open_subject(material.dataset, Case("tiny", size).config)
    names = [conditioner.spec.name for conditioner in subject.conditioners]
    annotations = [subject.dataset.annotation(subject.dataset.clips("all")[0].clip, 0, name) for name in names]
    seconds = []
    for _ in range(plan.frames):
        began = time.process_time()
        render_conditions(subject.conditioners, annotations, subject.views)
        seconds.append(time.process_time() - began)
    return seconds
