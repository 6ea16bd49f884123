"""Clips loaded per second by one and by several threads, and the training speed with and without loading."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inputs import BenchmarkInputs, Case, Log
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.markdown import format_number, format_table
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.engine.distributed import SINGLE_PROCESS
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.runtime import choose_runtime
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.synthetic import synthetic_clip
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training.job import TrainJob, resolve_train_job
from vid2vid_cli.training.perceptual import load_chosen_network

SMALL_NETWORKS = (
    "generator.base_channels=8",
    "discriminators.image.base_channels=8",
    "discriminators.temporal.base_channels=8",
)
"""The preset's own generator takes a CPU a minute per step."""
CASES = (Case("street", 256, SMALL_NETWORKS), Case("face", 256))
LABELS = "labels"
NUM_CITYSCAPES_IDS = 34


@dataclass(frozen=True)
class DataPlan:
    """What is loaded, and for how long."""

    cases: Sequence[Case] = CASES
    num_threads: Sequence[int] = (1, 2)
    seconds: float = 10.0
    """Shortest time of a measurement."""
    street_size: tuple[int, int] = (512, 1024)
    """(height, width) of the frames with label maps."""


def measure(inputs: BenchmarkInputs, log: Log, plan: DataPlan | None = None) -> dict[str, Any]:
    """Loading alone, then with training."""
    plan = plan or DataPlan()
    return {"cases": {case.name: _measure_case(case, inputs, log, plan) for case in plan.cases}}


def format_results(results: Mapping[str, Any]) -> str:
    """As Markdown."""
    cases: Mapping[str, Any] = results["cases"]
    thread_counts = list(next(iter(cases.values()))["clips_per_second"])
    rows = [
        [
            f"{name}: {case['num_frames']} frames of {case['image_size'][1]}x{case['image_size'][0]}, "
            f"{case['channels']} channels",
            format_number(case["megabytes"]),
            format_number(case["milliseconds"]),
            *(format_number(case["clips_per_second"][count]) for count in thread_counts),
            format_number(case["steps_fixed_clip"]),
            format_number(case["steps_loaded_clips"]),
        ]
        for name, case in cases.items()
    ]
    columns = [f"clips/s, {count} thread{'s' * (int(count) > 1)}" for count in thread_counts]
    header = ["clips", "MB per clip", "CPU ms per frame", *columns, "steps/s, one clip", "steps/s, loaded clips"]
    note = "The difference between the last two columns is the cost of loading."
    return format_table("Loading clips", header, rows, note)


def _measure_case(case: Case, inputs: BenchmarkInputs, log: Log, plan: DataPlan) -> dict[str, Any]:
    needs_labels = any(LABELS in names for names in case.config.conditioner_alternatives())
    dataset = _prepare_street(inputs.folder, plan.street_size) if needs_labels else inputs.dataset
    job = resolve_train_job(TrainRequest(config=case.config, data=dataset), SINGLE_PROCESS)
    batch_size = job.config.schedule.batch_size
    sampler = job.samplers[0]
    length = min(job.config.schedule.clip_length, sampler.max_range_length)
    batch = sampler.sample_batch(0, length)
    before = time.process_time()
    num_batches, _ = _measure_rate(lambda step: sampler.sample_batch(step, length), plan.seconds)
    seconds_per_frame = (time.process_time() - before) / (num_batches * length * batch_size)
    rates = {str(count): _loading_rate(sampler, length, count, plan.seconds) for count in plan.num_threads}
    log(f"data: {case.name}: " + ", ".join(f"{rate:.3g} clips/s, {count} threads" for count, rate in rates.items()))
    fixed, loaded = _training_rates(job, sampler, batch, inputs.device, plan.seconds)
    log(f"data: {case.name}: {fixed:.3g} steps/s with one clip, {loaded:.3g} with loaded clips")
    return {
        "num_frames": length,
        "image_size": list(batch.frames.shape[-2:]),
        "channels": batch.conditions.shape[2],
        "megabytes": (batch.conditions.nbytes + batch.frames.nbytes) / 1e6 / batch_size,
        "milliseconds": 1000 * seconds_per_frame,
        "clips_per_second": {count: rate * batch_size for count, rate in rates.items()},
        "steps_fixed_clip": fixed,
        "steps_loaded_clips": loaded,
    }


def _measure_rate(run: Callable[[int], object], seconds: float) -> tuple[int, float]:
    """Number of calls in that time, and calls per second."""
    num_calls, start = 0, time.perf_counter()
    while num_calls == 0 or time.perf_counter() - start < seconds:
        run(num_calls)
        num_calls += 1
    return num_calls, num_calls / (time.perf_counter() - start)


def _loading_rate(sampler: ClipSampler, length: int, num_threads: int, seconds: float) -> float:
    with closing(sampler.iter_batches(0, lambda step: length, num_threads=num_threads)) as batches:
        for _ in range(num_threads + 1):  # loaded before the measurement
            next(batches)
        return _measure_rate(lambda step: next(batches), seconds)[1]


def _training_rates(
    job: TrainJob, sampler: ClipSampler, batch: ClipBatch, device: str, seconds: float
) -> tuple[float, float]:
    """Steps per second on one clip, and on clips loaded as `train` loads them."""
    config: Config = job.config
    runtime = choose_runtime(device, config.runtime.precision, config.runtime.channels_last, is_training=True)
    state = build_train_state(config, job.training_data.condition_spec(config), runtime)
    perceptual_loss, _ = load_chosen_network(config.losses, runtime, SINGLE_PROCESS, ignore_events)
    context = TrainContext(config, runtime, DISFlow(), perceptual_loss=perceptual_loss)
    length = batch.frames.shape[1]
    with closing(sampler.iter_batches(0, lambda step: length, num_threads=config.data.num_workers)) as batches:

        def run_step(clips: ClipBatch) -> None:
            train_step(context, state, clips.to(runtime.device))

        run_step(batch)  # allocates the optimiser state
        fixed = _measure_rate(lambda _: run_step(batch), seconds)[1]
        return fixed, _measure_rate(lambda _: run_step(next(batches)), seconds)[1]


def _prepare_street(folder: Path, size: tuple[int, int]) -> Path:
    """A dataset with label maps of many classes: moving patches."""
    out = folder / "street"
    if out.exists():
        return out
    height, width = size
    frames = synthetic_clip(12, height, width)
    with VideoWriter(folder / "street.mp4", Fraction(17)) as writer:
        for frame in frames:
            writer.write(frame)
    y, x = np.mgrid[:height, :width]
    (folder / "maps").mkdir()
    for index in range(len(frames)):
        patches = y * 8 // height * 5 + (x + 4 * index) * 16 // width
        save_png(folder / "maps" / f"{index:03d}.png", (patches % NUM_CITYSCAPES_IDS).astype(np.uint8))
    options = {LABELS: {"input_dir": str(folder / "maps"), "classes": "cityscapes"}}
    request = PrepareRequest(videos=(folder / "street.mp4",), conditioners=(LABELS,), out=out, options=options)
    return prepare(request, ignore_events).path
