"""Peak resident memory of `transfer` for a short clip and for a long one."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.inputs import BenchmarkInputs, Case, Log
from benchmarks.peak import PeakMemory, measure_peak
from vid2vid_cli.core.markdown import format_table
from vid2vid_cli.media.looped_clip import write_looped_clip

CASE = Case("tiny", 128, ("generator.base_channels=8", "generator.num_res_blocks=2"))
"""A small network, because the growth with length does not depend on the network."""
MAX_DIFFERENCE_PERCENT = 5.0

RUN_CLI = """
import atexit, resource, runpy, sys
unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit))
runpy.run_module("vid2vid_cli", run_name="__main__")
"""
"""`python -m vid2vid_cli` that prints its peak before it exits: torch allocates another 100 MiB while a process exits,
which would hide growth below that."""


@dataclass(frozen=True)
class MemoryPlan:
    """Lengths of the clips and number of measurements."""

    case: Case = CASE
    short_frames: int = 200
    long_frames: int = 4000
    num_rounds: int = 3
    num_long_rounds: int = 1


def measure(inputs: BenchmarkInputs, log: Log, plan: MemoryPlan | None = None) -> dict[str, Any]:
    """Transfer both clips, each in a fresh process, and compare the peaks."""
    plan = plan or MemoryPlan()
    checkpoint = inputs.create_checkpoint(plan.case)
    short = write_looped_clip(inputs.video, plan.short_frames, inputs.folder / "short.mp4")
    long = write_looped_clip(short, plan.long_frames, inputs.folder / "long.mp4")
    peaks: dict[str, list[PeakMemory]] = {"short": [], "long": []}
    for index in range(max(plan.num_rounds, plan.num_long_rounds)):
        for name, clip, num_rounds in (("short", short, plan.num_rounds), ("long", long, plan.num_long_rounds)):
            if index < num_rounds:
                peaks[name].append(_measure_transfer(clip, checkpoint, inputs))
                log(f"memory: {name} clip, {peaks[name][-1].mebibytes:.0f} MiB, {peaks[name][-1].seconds:.0f} s")
    process = {name: statistics.median(peak.mebibytes for peak in values) for name, values in peaks.items()}
    before_exit = {name: [float(peak.output[-1]) for peak in values] for name, values in peaks.items()}
    before_exit_median = {name: statistics.median(values) for name, values in before_exit.items()}
    return {
        "height": plan.case.height,
        "settings": plan.case.settings,
        "num_frames": {"short": plan.short_frames, "long": plan.long_frames},
        "peaks_mib": {name: [round(peak.mebibytes, 1) for peak in values] for name, values in peaks.items()},
        "seconds": {name: [round(peak.seconds, 1) for peak in values] for name, values in peaks.items()},
        "before_exit_mib": {name: [round(peak, 1) for peak in values] for name, values in before_exit.items()},
        "median_mib": process,
        "median_before_exit_mib": before_exit_median,
        "difference_percent": 100 * (process["long"] / process["short"] - 1),
        "difference_before_exit_percent": 100 * (before_exit_median["long"] / before_exit_median["short"] - 1),
        "max_difference_percent": MAX_DIFFERENCE_PERCENT,
    }


def format_results(results: Mapping[str, Any]) -> str:
    """As Markdown."""
    rows = [
        [
            str(results["num_frames"][name]),
            f"{results['median_mib'][name]:.0f} MiB",
            f"{results['median_before_exit_mib'][name]:.0f} MiB",
            f"{len(results['peaks_mib'][name])}",
        ]
        for name in ("short", "long")
    ]
    process, before_exit = results["difference_percent"], results["difference_before_exit_percent"]
    limit = results["max_difference_percent"]
    verdict = "within" if max(abs(process), abs(before_exit)) <= limit else "MORE THAN"
    note = f"Difference {process:+.1f} % and {before_exit:+.1f} %, {verdict} the {limit:g} % allowed."
    header = ["frames", "peak", "before the process exits", "runs"]
    return format_table(f"Peak memory of `transfer` at {results['height']}²", header, rows, note)


def _measure_transfer(clip: Path, checkpoint: Path, inputs: BenchmarkInputs) -> PeakMemory:
    out = inputs.folder / "memory.mp4"
    command = [sys.executable, "-c", RUN_CLI, "transfer", str(clip), "--target", str(checkpoint)]
    return measure_peak([*command, "--out", str(out), "--overwrite", "--quiet", "--device", inputs.device])
