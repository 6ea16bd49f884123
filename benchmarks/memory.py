"""Does memory grow with the length of the video? Peak resident memory of `transfer` for a clip, short and looped."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.inputs import Case, Material, Say, looped
from benchmarks.peak import Peak, peak_of
from benchmarks.tables import table

CASE = Case("tiny", 128, ("generator.width=8", "generator.blocks=2"))
"""What flows through it is as large as ever; only the waiting is shorter."""
ALLOWED = 5.0
"""Percent by which the peaks may differ."""


AT_WORK = """
import atexit, resource, runpy, sys
unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit))
runpy.run_module("vid2vid_cli", run_name="__main__")
"""
"""`python -m vid2vid_cli` that ends with its peak so far: torch alone takes 100 MiB more while a process ends, which
would hide that much growth."""


@dataclass(frozen=True)
class MemoryPlan:
    """How long the clips are, and how often each is measured."""

    case: Case = CASE
    short: int = 200
    long: int = 4000
    rounds: int = 3
    long_rounds: int = 1
    """The long clip takes minutes."""


def measure(material: Material, say: Say, plan: MemoryPlan | None = None) -> dict[str, Any]:
    """Transfer the short clip several times and the long one, each in a fresh process, and compare the peaks."""
    plan = plan or MemoryPlan()
    checkpoint = material.checkpoint(plan.case)
    short = looped(material.video, plan.short, material.folder / "short.mp4")
    long = looped(short, plan.long, material.folder / "long.mp4")
    peaks: dict[str, list[Peak]] = {"short": [], "long": []}
    for index in range(max(plan.rounds, plan.long_rounds)):
        for name, clip, rounds in (("short", short, plan.rounds), ("long", long, plan.long_rounds)):
            if index < rounds:
                peaks[name].append(_transfer(clip, checkpoint, material))
                say(f"memory: {name} clip, {peaks[name][-1].mebibytes:.0f} MiB, {peaks[name][-1].seconds:.0f} s")
    middle = {name: statistics.median(peak.mebibytes for peak in found) for name, found in peaks.items()}
    at_work = {name: [float(peak.said[-1]) for peak in found] for name, found in peaks.items()}
    working = {name: statistics.median(found) for name, found in at_work.items()}
    return {
        "size": plan.case.size,
        "sets": plan.case.sets,
        "frames": {"short": plan.short, "long": plan.long},
        "peaks_mib": {name: [round(peak.mebibytes, 1) for peak in found] for name, found in peaks.items()},
        "seconds": {name: [round(peak.seconds, 1) for peak in found] for name, found in peaks.items()},
        "at_work_mib": {name: [round(peak, 1) for peak in found] for name, found in at_work.items()},
        "median_mib": middle,
        "median_at_work_mib": working,
        "difference_percent": 100 * (middle["long"] / middle["short"] - 1),
        "difference_at_work_percent": 100 * (working["long"] / working["short"] - 1),
        "allowed_percent": ALLOWED,
    }


def show(found: Mapping[str, Any]) -> str:
    """As Markdown."""
    rows = [
        [
            str(found["frames"][name]),
            f"{found['median_mib'][name]:.0f} MiB",
            f"{found['median_at_work_mib'][name]:.0f} MiB",
            f"{len(found['peaks_mib'][name])}",
        ]
        for name in ("short", "long")
    ]
    whole, working = found["difference_percent"], found["difference_at_work_percent"]
    verdict = "within" if max(abs(whole), abs(working)) <= found["allowed_percent"] else "MORE THAN"
    note = f"Difference {whole:+.1f} % and {working:+.1f} %, {verdict} the {found['allowed_percent']:g} % allowed."
    header = ["frames", "peak", "before the process ends", "runs"]
    return table(f"Peak memory of `transfer` at {found['size']}²", header, rows, note)


def _transfer(clip: Path, checkpoint: Path, material: Material) -> Peak:
    out = material.folder / "memory.mp4"
    words = [sys.executable, "-c", AT_WORK, "transfer", str(clip), "--target", str(checkpoint)]
    return peak_of([*words, "--out", str(out), "--overwrite", "--quiet", "--device", material.device])
