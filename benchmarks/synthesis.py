"""How many frames a second `transfer` makes, from file to file, and what each of its stages could do alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.inputs import Case, Material, Say, looped
from benchmarks.tables import figures, table
from vid2vid_cli.conditioning import Annotation, view_image
from vid2vid_cli.conditioning.combine import load_conditioners, merged_statistics
from vid2vid_cli.data.clip_sampler import render_conditions
from vid2vid_cli.data.cropping import frame_view
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.events import silent
from vid2vid_cli.engine.inference import to_picture
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.runtime import Machine, choose_machine
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.frame_renderer import Painter, Rendered, Seen

CASES = (Case("face", 256), Case("tiny", 256), Case("tiny", 128), Case("fast", 256))
WHOLE = {"result alone": False, "with the comparison": True}
"""What is measured from file to file, and whether the comparison is written too."""
LEAST = 8
ALL_IN = "all in"
"""The same with loading and the first look at the source, which do not grow with the length of the video."""


@dataclass(frozen=True)
class SynthesisPlan:
    """What is measured, on how many frames, and how often."""

    cases: Sequence[Case] = CASES
    frames: int = 120
    """At most; fewer where generating them takes longer than `seconds`, but never fewer than `LEAST`."""
    seconds: float = 20.0
    rounds: int = 3


class _Bench:
    """One generator, and what each stage of `transfer` takes in, made by the stages before it."""

    def __init__(self, case: Case, material: Material, machine: Machine, clip: Path, seconds: float) -> None:
        self.clip, self.machine, self.device = clip, machine, material.device
        self.name = case.name
        self.checkpoint = material.checkpoint(case)
        self.out = self.checkpoint.with_suffix(".mp4")
        generator, info = load_checkpoint(self.checkpoint, machine)
        self.conditioners = load_conditioners([(use.name, use.options) for use in info.conditioners])
        self.targets = [dict(use.statistics) for use in info.conditioners]
        self.frames = list(VideoReader(clip))
        self.found = self.annotate()
        self.sources = [c.statistics(found) for c, found in zip(self.conditioners, self.found, strict=True)]
        height, width = self.frames[0].shape[:2]
        own = frame_view(height, width, (case.size, case.size), info.crop, merged_statistics(self.sources))
        moves = any(conditioner.retargets for conditioner in self.conditioners)
        views = (info.frame_view() if moves else own,) * len(self.conditioners)
        self.painter = Painter(generator, self.conditioners, views, machine)
        annotations, self.conditions = self.draw()
        looks = [view_image(frame, own) for frame in self.frames]
        self.seen = [Seen(look, found) for look, found in zip(looks, annotations, strict=True)]
        self._shorten(seconds)
        self.pictures = self.generate()

    def _shorten(self, seconds: float) -> None:
        """Keep no more frames than can be generated in a time."""
        every, self.conditions = self.conditions, self.conditions[:2]
        self.generate()  # picks kernels
        began = time.perf_counter()
        self.generate()
        count = max(LEAST, int(2 * seconds / (time.perf_counter() - began)))
        self.conditions, self.frames, self.seen = every[:count], self.frames[:count], self.seen[:count]
        self.found = [found[:count] for found in self.found]

    def decode(self) -> object:
        return list(VideoReader(self.clip, max_frames=len(self.frames)))

    def annotate(self) -> list[list[Annotation]]:
        return [list(conditioner.annotate(self.frames)) for conditioner in self.conditioners]

    def draw(self) -> tuple[list[tuple[Annotation, ...]], list[torch.Tensor]]:
        """Retargeting and the condition channels."""
        every = zip(self.conditioners, self.found, self.sources, self.targets, strict=True)
        moved = list(zip(*(c.retarget(found, source, target) for c, found, source, target in every), strict=True))
        drawn = (render_conditions(self.conditioners, one, self.painter.views) for one in moved)
        return moved, [torch.from_numpy(channels) for channels in drawn]

    @torch.inference_mode()
    def generate(self) -> list[NDArray[np.uint8]]:
        conditions = (channels[None].to(self.machine.device).float() for channels in self.conditions)
        with self.machine.autocast():
            return [to_picture(output.image[0]) for output in rollout(self.painter.generator, conditions)]

    def encode(self) -> None:
        self._write(self.pictures)

    def compare(self) -> None:
        self._write(map(self.painter.comparison, self.seen, self.pictures))

    def _write(self, pictures: Iterable[NDArray[np.uint8]]) -> None:
        with VideoWriter(self.out, Fraction(25)) as writer:
            for picture in pictures:
                writer.write(picture)

    def transfer(self, *, compare: bool) -> Rendered:
        # Precision is said, not left to `auto`: that measures, and could decide otherwise from one time to the next.
        request = TransferRequest(
            self.clip,
            self.checkpoint,
            self.out,
            compare=compare,
            device=self.device,
            precision=self.machine.precision,
            max_frames=len(self.frames),
            overwrite=True,
        )
        return transfer(request, silent)

    def round(self) -> dict[str, float]:
        """Frames per second of everything, once."""
        rates: dict[str, float] = {}
        for name, compare in WHOLE.items():
            began = time.perf_counter()
            made = self.transfer(compare=compare)
            rates[name] = made.frames / made.seconds
            rates[f"{name}, {ALL_IN}"] = made.frames / (time.perf_counter() - began)
        for name, stage in STAGES.items():
            began = time.perf_counter()
            stage(self)
            rates[name] = len(self.frames) / (time.perf_counter() - began)
        return rates


STAGES: dict[str, Callable[[_Bench], object]] = {
    "decode": _Bench.decode,
    "annotate": _Bench.annotate,
    "retarget and draw": _Bench.draw,
    "generate": _Bench.generate,
    "encode": _Bench.encode,
    "compare and encode": _Bench.compare,
}


def measure(material: Material, say: Say, plan: SynthesisPlan | None = None) -> dict[str, Any]:
    """Every case and stage once a round, in turn, so that what else the machine does hits all of them alike."""
    plan = plan or SynthesisPlan()
    machine = choose_machine(material.device)
    clip = looped(material.video, plan.frames, material.folder / "driver.mp4")
    benches = [_Bench(case, material, machine, clip, plan.seconds) for case in plan.cases]
    rates: dict[str, dict[str, list[float]]] = {bench.name: {} for bench in benches}
    for index in range(plan.rounds):
        for bench in benches:
            found = bench.round()
            for name, rate in found.items():
                rates[bench.name].setdefault(name, []).append(rate)
            said = ", ".join(f"{name} {figures(rate)}" for name, rate in found.items())
            say(f"synthesis, round {index + 1} of {plan.rounds}: {bench.name}: {said}")
    reader = VideoReader(clip)
    return {
        "machine": machine.describe(),
        "source": {"width": reader.width, "height": reader.height},
        "frames": {bench.name: len(bench.pictures) for bench in benches},
        "frames_per_second": rates,
        "median": {
            case: {name: statistics.median(values) for name, values in found.items()} for case, found in rates.items()
        },
    }


def show(found: Mapping[str, Any]) -> str:
    """Two tables: from file to file, and the stages alone."""
    medians, source = found["median"], found["source"]
    names = [*WHOLE, *(f"{name}, {ALL_IN}" for name in WHOLE)]
    whole = [[case, *(figures(rates[name]) for name in names)] for case, rates in medians.items()]
    stages = [[name, *(figures(rates[name]) for rates in medians.values())] for name in STAGES]
    measured = [values for rates in found["frames_per_second"].values() for name, values in rates.items()]
    frames = " / ".join(map(str, found["frames"].values()))
    note = (
        f"Source {source['width']}x{source['height']}, {frames} frames; {found['machine']}; "
        f"medians of {len(measured[0])} rounds in turn. "
        "All in: from the call on, with loading and the first look at the source."
    )
    beside = "In `transfer` they run side by side and share the cores."
    return "\n\n".join(
        [
            table("`transfer` from file to file, frames per second", ["generator", *names], whole, note),
            table("Its stages alone, frames per second", ["stage", *medians], stages, beside),
        ]
    )
