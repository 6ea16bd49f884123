"""Frames per second of `prepare`, beside those of the conditioner alone.

Alone: `annotate` on frames that were decoded before. Loading the detector counts in both.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.inputs import BenchmarkInputs, Log
from benchmarks.prepare_cases import CASES, PrepareCase, find_clip, write_labels
from vid2vid_cli.conditioning import VideoFrame
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import MissingPackageError, MissingWeightsError
from vid2vid_cli.core.markdown import format_number, format_table
from vid2vid_cli.dataset_builder.job import make_job
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare

MIN_FRAMES = 8


@dataclass(frozen=True)
class PreparePlan:
    """What is measured, at which size, for how long and how often."""

    cases: Sequence[PrepareCase] = CASES
    short_side: int = 512
    max_frames: int = 1000
    """Frames of a measurement; fewer if the conditioner alone takes longer than `seconds`."""
    num_decoded: int = 300
    """Decoded frames in memory, repeated, for the conditioner alone."""
    seconds: float = 15.0
    num_rounds: int = 3
    data: Path | None = None
    """Folder of the development data; without it, synthetic faces, and no body."""


def create_plan(seconds: float, litert: Path | None, data: Path | None) -> PreparePlan:
    """The plan, with a TFLite network if a file is given."""
    options = {"backend": "litert", "weights": str(litert)}
    tflite_cases = (PrepareCase("segmentation", "body", options),) if litert else ()
    return PreparePlan((*CASES, *tflite_cases), seconds=seconds, data=data if data and data.is_dir() else None)


class Timing(NamedTuple):
    """Speed and cost."""

    rate: float
    """Frames per second."""
    work: float
    """Milliseconds per frame, all cores together."""


class _PrepareBench:
    """One conditioner, its clip, and the decoded frames of the clip."""

    def __init__(self, case: PrepareCase, clip: Path, folder: Path, plan: PreparePlan) -> None:
        self.case, self.clip, self.out = case, clip, folder / "prepared"
        self.num_frames, self.short_side = plan.max_frames, plan.short_side
        self.options = dict(case.options)
        if case.name == "labels":
            self.options["input_dir"] = str(write_labels(clip, folder / "labels"))
        job = make_job(self._request(), [load_conditioner(case.name, self.options)])
        self.conditioner = job.bind_conditioners(job.inputs[0])[0]
        self.decoded = list(islice(job.decode_frames(job.open_reader(job.inputs[0])), plan.num_decoded))
        self._annotate(MIN_FRAMES)  # loads what is cached for the process
        more = min(3 * MIN_FRAMES, plan.max_frames)
        few = more // 3
        # The difference excludes what is loaded for each call.
        per_frame = max(self._annotate_seconds(more) - self._annotate_seconds(few), 1e-6) / (more - few)
        self.num_frames = min(plan.max_frames, max(MIN_FRAMES, int(plan.seconds / per_frame)))

    def measure_conditioner(self) -> Timing:
        return _measure_timing(lambda: self._annotate(self.num_frames), self.num_frames)

    def measure_prepare(self) -> Timing:
        try:
            return _measure_timing(lambda: prepare(self._request(), ignore_events), self.num_frames)
        finally:
            shutil.rmtree(self.out, ignore_errors=True)

    def _annotate_seconds(self, num_frames: int) -> float:
        start = time.perf_counter()
        self._annotate(num_frames)
        return time.perf_counter() - start

    def _annotate(self, num_frames: int) -> None:
        frames = (VideoFrame(rgb) for rgb in islice(cycle(self.decoded), num_frames))
        for _ in self.conditioner.annotate(frames):
            pass

    def _request(self) -> PrepareRequest:
        return PrepareRequest(
            videos=(self.clip,),
            conditioners=(self.case.name,),
            out=self.out,
            options={self.case.name: self.options} if self.options else {},
            max_short_side=self.short_side,
            max_frames=self.num_frames,
            overwrite=True,
        )


def measure(inputs: BenchmarkInputs, log: Log, plan: PreparePlan | None = None) -> dict[str, Any]:
    """Every conditioner that is available, alone and in `prepare`, alternately."""
    plan = plan or PreparePlan()
    benches = _create_benches(inputs.folder / "prepare", plan, log)
    timings: dict[str, dict[str, list[Timing]]] = {
        bench.case.title: {"conditioner": [], "prepare": []} for bench in benches
    }
    for index in range(plan.num_rounds):
        for bench in benches:
            measures = {"conditioner": bench.measure_conditioner, "prepare": bench.measure_prepare}
            for name in list(measures)[:: 1 if index % 2 == 0 else -1]:
                timings[bench.case.title][name].append(measures[name]())
            rates = ", ".join(
                f"{name} {format_number(values[-1].rate)}" for name, values in timings[bench.case.title].items()
            )
            log(f"prepare, round {index + 1} of {plan.num_rounds}: {bench.case.title}: {rates} frames/s")
    return {
        "short_side": plan.short_side,
        "cores": os.cpu_count(),
        "cases": {bench.case.title: _summarize(bench, timings[bench.case.title]) for bench in benches},
    }


def format_results(results: Mapping[str, Any]) -> str:
    """As Markdown."""
    rows = [
        [
            title,
            case["frame_size"],
            format_number(case["conditioner"]["rate"]),
            format_number(case["prepare"]["rate"]),
            f"{100 * case['ratio']:.0f} %",
            format_number(case["conditioner"]["work"]),
            format_number(case["prepare"]["work"]),
        ]
        for title, case in results["cases"].items()
    ]
    header = [
        "conditioner",
        "frame size",
        "alone, frames/s",
        "`prepare`, frames/s",
        "ratio",
        "alone, ms",
        "`prepare`, ms",
    ]
    counts = " / ".join(str(case["num_frames"]) for case in results["cases"].values())
    note = (
        f"{counts} frames, {results['cores']} cores; medians of alternating rounds. Alone: `annotate`. "
        "`prepare`: from a file to a dataset with frames (JPEG) and preview. Milliseconds: per frame, all cores."
    )
    return format_table(f"`prepare` at {results['short_side']} pixels", header, rows, note)


def _summarize(bench: _PrepareBench, timings: Mapping[str, Sequence[Timing]]) -> dict[str, Any]:
    pairs = zip(timings["conditioner"], timings["prepare"], strict=True)
    ratios = [prepared.rate / alone.rate for alone, prepared in pairs]
    height, width = bench.decoded[0].shape[:2]
    return {
        "num_frames": bench.num_frames,
        "frame_size": f"{width}x{height}",
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        **{
            name: {
                "rate": statistics.median(timing.rate for timing in values),
                "work": statistics.median(timing.work for timing in values),
                "rates": [timing.rate for timing in values],
            }
            for name, values in timings.items()
        },
    }


def _measure_timing(run: Callable[[], object], num_frames: int) -> Timing:
    busy_before, start = _processor_seconds(), time.perf_counter()
    run()
    rate = num_frames / (time.perf_counter() - start)
    return Timing(rate, 1000 * (_processor_seconds() - busy_before) / num_frames)


def _processor_seconds() -> float:
    """Processor time of this process and of its finished children."""
    return sum(os.times()[:4])


def _create_benches(folder: Path, plan: PreparePlan, log: Log) -> list[_PrepareBench]:
    """One for each conditioner that can run here; the others are skipped with a line in the log."""
    benches = []
    for number, case in enumerate(plan.cases):
        case_folder = folder / str(number)
        case_folder.mkdir(parents=True)
        clip = find_clip(
            case.content, case_folder, data=plan.data, num_frames=plan.max_frames, short_side=plan.short_side
        )
        if clip is None:
            log(f"prepare: {case.title} skipped: no clip with a {case.content}")
            continue
        try:
            benches.append(_PrepareBench(case, clip, case_folder, plan))
        except (MissingPackageError, MissingWeightsError) as error:
            log(f"prepare: {case.title} skipped: {error.message}")
    return benches
