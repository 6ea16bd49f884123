"""Clips a second by one and by several threads, and how long a step waits for its clip."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inputs import Case, Material, Say
from benchmarks.tables import figures, table
from vid2vid_cli.config.config import Config
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.engine.build import build_state
from vid2vid_cli.engine.distributed import ALONE
from vid2vid_cli.engine.events import silent
from vid2vid_cli.engine.runtime import choose_machine
from vid2vid_cli.engine.step import Trainer, train_step
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.synthetic import drawn_clip
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.networks.flow_estimator import DisTeacher
from vid2vid_cli.networks.perceptual import find_perceptual
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.training.job import TrainRequest, find_job
from vid2vid_cli.training_data.training_data import Subject

CASES = (Case("street", 256, ("generator.width=8", "discriminator.width=8", "temporal.width=8")), Case("face", 256))
"""A small generator where the preset's would take a processor a minute a step: its speed is not the point."""
LABELS = "labels"
CLASSES = 34
"""Of Cityscapes."""


@dataclass(frozen=True)
class DataPlan:
    """What is drawn, and for how long."""

    cases: Sequence[Case] = CASES
    threads: Sequence[int] = (1, 2)
    seconds: float = 10.0
    """Each measurement goes on at least so long."""
    street: tuple[int, int] = (512, 1024)
    """(height, width) of the frames with label maps."""


def measure(material: Material, say: Say, plan: DataPlan | None = None) -> dict[str, Any]:
    """Each case by itself, then with training beside it."""
    plan = plan or DataPlan()
    return {"cases": {case.name: _case(case, material, say, plan) for case in plan.cases}}


def show(found: Mapping[str, Any]) -> str:
    """As Markdown."""
    cases: Mapping[str, Any] = found["cases"]
    threads = list(next(iter(cases.values()))["clips_per_second"])
    rows = [
        [
            f"{name}: {one['frames']} frames of {one['picture'][1]}x{one['picture'][0]}, {one['channels']} channels",
            figures(one["megabytes"]),
            figures(one["milliseconds"]),
            *(figures(one["clips_per_second"][count]) for count in threads),
            figures(one["steps_at_hand"]),
            figures(one["steps_drawn"]),
        ]
        for name, one in cases.items()
    ]
    by = [f"clips/s, {count} thread{'s' * (int(count) > 1)}" for count in threads]
    header = ["clips", "MB a clip", "CPU ms a frame", *by, "steps/s, clip at hand", "steps/s, clips drawn"]
    note = "A step that has its clip at hand waits for nothing; the rest of the last column is what drawing costs."
    return table("Drawing clips", header, rows, note)


def _case(case: Case, material: Material, say: Say, plan: DataPlan) -> dict[str, Any]:
    labels = any(LABELS in choice for choice in case.config.choices())
    dataset = _street(material.folder, plan.street) if labels else material.dataset
    job = find_job(TrainRequest(case.config, data=dataset), ALONE)
    config, subject = job.config, job.subject
    sampler = subject.sampler(config)
    length = min(config.schedule.clip, sampler.longest)
    batch = sampler.draw(0, length)
    before = time.process_time()
    drawn = _rate(lambda step: sampler.draw(step, length), plan.seconds)
    spent = (time.process_time() - before) / (drawn[0] * length * config.schedule.batch)
    rates = {str(count): _threads(sampler, length, count, plan.seconds) for count in plan.threads}
    say(f"data: {case.name}: " + ", ".join(f"{rate:.3g} clips/s by {count}" for count, rate in rates.items()))
    at_hand, streamed = _steps(config, subject, sampler, length, material.device, plan.seconds)
    say(f"data: {case.name}: {at_hand:.3g} steps/s with a clip at hand, {streamed:.3g} with clips drawn")
    return {
        "frames": length,
        "picture": list(batch.frames.shape[-2:]),
        "channels": batch.conditions.shape[2],
        "megabytes": (batch.conditions.nbytes + batch.frames.nbytes) / 1e6 / config.schedule.batch,
        "milliseconds": 1000 * spent,
        "clips_per_second": {count: rate * config.schedule.batch for count, rate in rates.items()},
        "steps_at_hand": at_hand,
        "steps_drawn": streamed,
    }


def _rate(work: Callable[[int], object], seconds: float) -> tuple[int, float]:
    """How often something is done in that time, and how often a second."""
    times, start = 0, time.perf_counter()
    while times == 0 or time.perf_counter() - start < seconds:
        work(times)
        times += 1
    return times, times / (time.perf_counter() - start)


def _threads(sampler: ClipSampler, length: int, threads: int, seconds: float) -> float:
    with closing(sampler.stream(0, lambda step: length, threads=threads)) as batches:
        for _ in range(threads + 1):  # what was drawn before the clock ran
            next(batches)
        return _rate(lambda step: next(batches), seconds)[1]


def _steps(
    config: Config, subject: Subject, sampler: ClipSampler, length: int, device: str, seconds: float
) -> tuple[float, float]:
    """Steps a second with one clip again and again, and with clips drawn as `train` draws them."""
    machine = choose_machine(device, config.engine.precision, config.engine.channels_last)
    state = build_state(config, subject.layout(config), machine)
    trainer = Trainer(config, machine, DisTeacher(), find_perceptual(config.losses.perceptual, machine.device)[0])
    batch = sampler.draw(0, length)
    with closing(sampler.stream(0, lambda step: length, threads=config.engine.readers)) as batches:

        def step(clips: Any) -> None:
            train_step(trainer, state, clips.to(machine.device))

        step(batch)  # the first makes the optimiser's memory
        at_hand = _rate(lambda _: step(batch), seconds)[1]
        return at_hand, _rate(lambda _: step(next(batches)), seconds)[1]


def _street(folder: Path, size: tuple[int, int]) -> Path:
    """A clip with label maps of many classes: rows of patches that move."""
    out = folder / "street"
    if out.exists():
        return out
    height, width = size
    frames = drawn_clip(12, height, width)
    with VideoWriter(folder / "street.mp4", Fraction(17)) as writer:
        for frame in frames:
            writer.write(frame)
    y, x = np.mgrid[:height, :width]
    (folder / "maps").mkdir()
    for index in range(len(frames)):
        patches = y * 8 // height * 5 + (x + 4 * index) * 16 // width
        save_png(folder / "maps" / f"{index:03d}.png", (patches % CLASSES).astype(np.uint8))
    options = {LABELS: {"dir": str(folder / "maps"), "classes": "cityscapes"}}
    return prepare(PrepareRequest((folder / "street.mp4",), (LABELS,), out, options=options), silent).path
