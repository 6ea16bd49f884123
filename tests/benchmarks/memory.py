"""Does memory grow with the length of the video? Peak resident memory of `transfer` for a clip, short and looped."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.material import Case, Material, Say, looped
from benchmarks.peak import Peak, peak_of
from benchmarks.tables import table

CASE = Case("tiny", 128, ("generator.width=8", "generator.blocks=2"))
"""What flows through it is as large as ever; only the waiting is shorter."""
ALLOWED = 5.0
"""Percent by which the peaks may differ."""


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
    return {
        "size": plan.case.size,
        "sets": plan.case.sets,
        "frames": {"short": plan.short, "long": plan.long},
        "peaks_mib": {name: [round(peak.mebibytes, 1) for peak in found] for name, found in peaks.items()},
        "seconds": {name: [round(peak.seconds, 1) for peak in found] for name, found in peaks.items()},
        "median_mib": middle,
        "difference_percent": 100 * (middle["long"] / middle["short"] - 1),
        "allowed_percent": ALLOWED,
    }


def show(found: Mapping[str, Any]) -> str:
    """As Markdown."""
    rows = [
        [str(found["frames"][name]), f"{found['median_mib'][name]:.0f} MiB", f"{len(found['peaks_mib'][name])}"]
        for name in ("short", "long")
    ]
    difference = found["difference_percent"]
    verdict = "within" if difference <= found["allowed_percent"] else "MORE THAN"
    note = f"Difference {difference:+.1f} %, {verdict} the {found['allowed_percent']:g} % that are allowed."
    return table(f"Peak memory of `transfer` at {found['size']}²", ["frames", "peak", "runs"], rows, note)


def _transfer(clip: Path, checkpoint: Path, material: Material) -> Peak:
    out = material.folder / "memory.mp4"
    words = [sys.executable, "-m", "vid2vid_cli", "transfer", str(clip), "--target", str(checkpoint)]
    return peak_of([*words, "--out", str(out), "--overwrite", "--quiet", "--device", material.device])
