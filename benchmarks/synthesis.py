"""Frames per second of `transfer` from file to file, and of each of its stages alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.inputs import BenchmarkInputs, Case, Log
from vid2vid_cli.core.markdown import format_number, format_table
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.runtime import Runtime, choose_runtime
from vid2vid_cli.media.looped_clip import write_looped_clip
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.transfer import transfer
from vid2vid_cli.rendering.checkpoint_file import open_checkpoint
from vid2vid_cli.rendering.loaded_model import load_model
from vid2vid_cli.rendering.transfer_stages import STAGES, TransferStages
from vid2vid_cli.rendering.video_output import RenderResult
from vid2vid_cli.requests.render import TransferRequest

CASES = (Case("face", 256), Case("tiny", 256), Case("tiny", 128), Case("fast", 256))
OUTPUTS = {"result only": False, "with comparison": True}
"""The measurements from file to file, and whether the comparison video is written too."""
MIN_FRAMES, MAX_FRAMES = 8, 1000
TOTAL = "total"
"""Includes loading and the scan of the source, which do not grow with the length of the video."""


@dataclass(frozen=True)
class SynthesisPlan:
    """What is measured, on how many frames, and how often."""

    cases: Sequence[Case] = CASES
    num_frames: int = 120
    """At most; fewer if generating them takes longer than `seconds`, but at least `MIN_FRAMES`."""
    seconds: float = 20.0
    num_rounds: int = 3


class _SynthesisBench(TransferStages):
    """One generator, and the inputs of each stage of `transfer`."""

    def __init__(self, case: Case, inputs: BenchmarkInputs, runtime: Runtime, clip: Path, seconds: float) -> None:
        self.clip, self.device, self.name = clip, inputs.device, case.name
        self.checkpoint = inputs.create_checkpoint(case)
        # Not precision=auto, which measures and could decide otherwise from one round to the next.
        model = load_model(open_checkpoint(self.checkpoint, "frames"), inputs.device, runtime.precision)
        super().__init__(model, clip, self.checkpoint.with_suffix(".mp4"), max_frames=MAX_FRAMES)
        self.generate(2)  # selects kernels
        start = time.perf_counter()
        self.generate(2)
        self.limit_frames(max(MIN_FRAMES, int(2 * seconds / (time.perf_counter() - start))))

    def transfer(self, *, compare: bool) -> RenderResult:
        request = TransferRequest(
            source=self.clip,
            target=self.checkpoint,
            out=self.out,
            compare=compare,
            device=self.device,
            precision=self.runtime.precision,
            max_frames=len(self.frames),
            overwrite=True,
        )
        return transfer(request, ignore_events)

    def measure_round(self) -> dict[str, float]:
        """Frames per second of everything, once."""
        rates: dict[str, float] = {}
        for name, compare in OUTPUTS.items():
            start = time.perf_counter()
            result = self.transfer(compare=compare)
            rates[name] = result.num_frames / result.elapsed_seconds
            rates[f"{name}, {TOTAL}"] = result.num_frames / (time.perf_counter() - start)
        for name, run_stage in STAGES.items():
            start = time.perf_counter()
            run_stage(self)
            rates[name] = len(self.frames) / (time.perf_counter() - start)
        return rates


def measure(inputs: BenchmarkInputs, log: Log, plan: SynthesisPlan | None = None) -> dict[str, Any]:
    """Every case and stage once per round, alternately, so that other load affects all of them alike."""
    plan = plan or SynthesisPlan()
    runtime = choose_runtime(inputs.device)
    clip = write_looped_clip(inputs.video, plan.num_frames, inputs.folder / "driver.mp4")
    benches = [_SynthesisBench(case, inputs, runtime, clip, plan.seconds) for case in plan.cases]
    rates: dict[str, dict[str, list[float]]] = {bench.name: {} for bench in benches}
    for index in range(plan.num_rounds):
        for bench in benches:
            round_rates = bench.measure_round()
            for name, rate in round_rates.items():
                rates[bench.name].setdefault(name, []).append(rate)
            text = ", ".join(f"{name} {format_number(rate)}" for name, rate in round_rates.items())
            log(f"synthesis, round {index + 1} of {plan.num_rounds}: {bench.name}: {text}")
    reader = VideoReader(clip)
    return {
        "runtime": runtime.describe(),
        "source": {"width": reader.width, "height": reader.height},
        "num_frames": {bench.name: len(bench.images) for bench in benches},
        "frames_per_second": rates,
        "median": {
            case: {name: statistics.median(values) for name, values in case_rates.items()}
            for case, case_rates in rates.items()
        },
    }


def format_results(results: Mapping[str, Any]) -> str:
    """Two tables: from file to file, and the stages alone."""
    medians, source = results["median"], results["source"]
    names = [*OUTPUTS, *(f"{name}, {TOTAL}" for name in OUTPUTS)]
    file_rows = [[case, *(format_number(rates[name]) for name in names)] for case, rates in medians.items()]
    stage_rows = [[name, *(format_number(rates[name]) for rates in medians.values())] for name in STAGES]
    num_rounds = len(next(iter(next(iter(results["frames_per_second"].values())).values())))
    counts = " / ".join(map(str, results["num_frames"].values()))
    note = (
        f"Source {source['width']}x{source['height']}, {counts} frames; {results['runtime']}; "
        f"medians of {num_rounds} alternating rounds. Total: with loading and the scan of the source."
    )
    stage_note = "In `transfer` they run concurrently and share the cores."
    return "\n\n".join(
        [
            format_table("`transfer` from file to file, frames per second", ["generator", *names], file_rows, note),
            format_table("Its stages alone, frames per second", ["stage", *medians], stage_rows, stage_note),
        ]
    )
