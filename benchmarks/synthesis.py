"""Frames per second of `transfer` from file to file, and of each of its stages alone."""

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

from benchmarks.inputs import BenchmarkInputs, Case, Log, write_looped_clip
from benchmarks.tables import format_number, format_table
from vid2vid_cli.conditioning import Annotation, VideoFrame, view_image
from vid2vid_cli.conditioning.combine import load_conditioners, merge_statistics
from vid2vid_cli.data.clip_sampler import render_conditions
from vid2vid_cli.data.cropping import crop_view
from vid2vid_cli.data.reference_selection import ReferenceLoader, ReferenceSelector, SelectedReferences
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.runtime import Runtime, choose_runtime
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.transfer import transfer
from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.frames import AnnotatedFrame, RenderedFrame
from vid2vid_cli.rendering.video_output import RenderResult
from vid2vid_cli.requests.render import TransferRequest
from vid2vid_cli.training_data.reference_collection import load_reference_bank

CASES = (Case("face", 256), Case("tiny", 256), Case("tiny", 128), Case("fast", 256))
OUTPUTS = {"result only": False, "with comparison": True}
"""The measurements from file to file, and whether the comparison video is written too."""
MIN_FRAMES = 8
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


class _SynthesisBench:
    """One generator, and the inputs of each stage of `transfer`."""

    def __init__(self, case: Case, inputs: BenchmarkInputs, runtime: Runtime, clip: Path, seconds: float) -> None:
        self.clip, self.runtime, self.device = clip, runtime, inputs.device
        self.name = case.name
        self.checkpoint = inputs.create_checkpoint(case)
        self.out = self.checkpoint.with_suffix(".mp4")
        generator, metadata = load_checkpoint(self.checkpoint, runtime)
        self.conditioners = load_conditioners([(use.name, use.options) for use in metadata.conditioners])
        self.target_statistics = [dict(use.statistics) for use in metadata.conditioners]
        self.frames = list(VideoReader(clip))
        self.detections = self.annotate()
        self.source_statistics = [
            c.statistics(annotations) for c, annotations in zip(self.conditioners, self.detections, strict=True)
        ]
        height, width = self.frames[0].shape[:2]
        size = (case.height, case.height)
        source_view = crop_view(height, width, size, metadata.crop, merge_statistics(self.source_statistics))
        is_retargeted = any(conditioner.supports_retargeting for conditioner in self.conditioners)
        views = (metadata.crop_view() if is_retargeted else source_view,) * len(self.conditioners)
        self.reference_bank = load_reference_bank(self.checkpoint, metadata)
        self.renderer = FrameRenderer(
            generator, self.conditioners, views, runtime=runtime, reference_bank=self.reference_bank
        )
        annotations, self.conditions = self.render_conditions()
        self.references = self._select_references(annotations)
        self.source_frames = [
            AnnotatedFrame(view_image(frame, source_view), index == 0, frame_annotations)
            for index, (frame, frame_annotations) in enumerate(zip(self.frames, annotations, strict=True))
        ]
        self._limit_frames(seconds)
        self.images = self.generate()

    def _select_references(self, annotations: Sequence[tuple[Annotation, ...]]) -> list[SelectedReferences]:
        if self.reference_bank is None:
            return []
        selector = ReferenceSelector(self.reference_bank)
        return [selector(frame_annotations, self.renderer.views) for frame_annotations in annotations]

    def _limit_frames(self, seconds: float) -> None:
        """Keep as many frames as can be generated in this time."""
        all_conditions, self.conditions = self.conditions, self.conditions[:2]
        self.generate()  # selects kernels
        start = time.perf_counter()
        self.generate()
        count = max(MIN_FRAMES, int(2 * seconds / (time.perf_counter() - start)))
        self.conditions, self.frames = all_conditions[:count], self.frames[:count]
        self.source_frames = self.source_frames[:count]
        self.detections = [annotations[:count] for annotations in self.detections]

    def decode(self) -> object:
        return list(VideoReader(self.clip, max_frames=len(self.frames)))

    def annotate(self) -> list[list[Annotation]]:
        frames = [VideoFrame(frame) for frame in self.frames]
        return [list(conditioner.annotate(frames)) for conditioner in self.conditioners]

    def render_conditions(self) -> tuple[list[tuple[Annotation, ...]], list[torch.Tensor]]:
        """Retargeting and the condition channels."""
        retarget_inputs = zip(
            self.conditioners, self.detections, self.source_statistics, self.target_statistics, strict=True
        )
        streams = (c.retarget(annotations, source, target) for c, annotations, source, target in retarget_inputs)
        retargeted = list(zip(*streams, strict=True))
        views = self.renderer.views
        channels = (render_conditions(self.conditioners, annotations, views) for annotations in retargeted)
        return retargeted, [torch.from_numpy(array) for array in channels]

    @torch.inference_mode()
    def generate(self) -> list[NDArray[np.uint8]]:
        conditions = (channels[None].to(self.runtime.device).float() for channels in self.conditions)
        references = None
        if self.reference_bank is not None:
            references = map(ReferenceLoader(self.reference_bank, self.runtime.device).load, self.references)
        with self.runtime.autocast():
            outputs = rollout(self.renderer.generator, conditions, references=references)
            return [to_uint8_image(output.image[0]) for output in outputs]

    def encode(self) -> None:
        self._write(self.images)

    def compare(self) -> None:
        pairs = zip(self.source_frames, self.images, strict=True)
        self._write(self.renderer.comparison_image(RenderedFrame(source, image)) for source, image in pairs)

    def _write(self, images: Iterable[NDArray[np.uint8]]) -> None:
        with VideoWriter(self.out, Fraction(25)) as writer:
            for image in images:
                writer.write(image)

    def transfer(self, *, compare: bool) -> RenderResult:
        # Not precision=auto, which measures and could decide otherwise from one round to the next.
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


STAGES: dict[str, Callable[[_SynthesisBench], object]] = {
    "decode": _SynthesisBench.decode,
    "annotate": _SynthesisBench.annotate,
    "retarget and render conditions": _SynthesisBench.render_conditions,
    "generate": _SynthesisBench.generate,
    "encode": _SynthesisBench.encode,
    "compare and encode": _SynthesisBench.compare,
}


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
