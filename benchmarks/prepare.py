"""How many frames a second `prepare` makes of a video, beside what the conditioner could do alone.

Alone: frames decoded beforehand, `annotate` and nothing else; loading the model counts on both sides.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np

from benchmarks.inputs import Material, Say, looped
from benchmarks.tables import figures, table
from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import MissingPackageError, MissingWeightsError
from vid2vid_cli.dataset_builder.job import make_job
from vid2vid_cli.engine.events import silent
from vid2vid_cli.media.label_png import save_labels
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import drawn_clip
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare

Shows = Literal["face", "body", "street"]
REAL: dict[Shows, str] = {"face": "face/talking_man", "body": "pose/dancing_woman", "street": "street/bikes"}
"""Clips of the development data."""
GOAL = 0.9
"""Of the conditioner's own rate."""
CLASSES = 8
LEAST = 8


@dataclass(frozen=True)
class Case:
    """A conditioner to be measured, on footage that it finds something in."""

    name: str
    shows: Shows = "face"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.name} {self.options.get('backend', '')}".strip()


CASES = (
    Case("landmarks", options={"backend": "mediapipe"}),
    Case("landmarks", options={"backend": "dlib"}),
    Case("pose", "body"),
    Case("segmentation", options={"backend": "person"}),
    Case("edges", "street"),
    Case("labels", options={"classes": str(CLASSES)}),
)


@dataclass(frozen=True)
class PreparePlan:
    """What is measured, at which size, for how long and how often."""

    cases: Sequence[Case] = CASES
    size: int = 512
    """Short side of the frames, in pixels; the real clips are at most as large."""
    frames: int = 1000
    """At most, as of a video of half a minute; fewer where the conditioner alone takes longer than `seconds`."""
    held: int = 300
    """Frames that lie decoded in memory, over and over again, for the conditioner alone."""
    seconds: float = 15.0
    rounds: int = 3
    real: Path | None = None
    """Where the development data lies; drawn faces without it, and nothing for conditioners that want a body."""


def plan_for(seconds: float, litert: Path | None, data: Path | None) -> PreparePlan:
    """The plan, with a TFLite network where a file of one is given."""
    more = (Case("segmentation", "body", {"backend": "litert", "weights": str(litert)}),) if litert else ()
    return PreparePlan((*CASES, *more), seconds=seconds, real=data if data is not None and data.is_dir() else None)


class Took(NamedTuple):
    """What some frames took, each."""

    rate: float
    """Frames per second."""
    work: float
    """Milliseconds of all cores together."""


class _Bench:
    """One conditioner, its clip, and the clip's frames as `prepare` would hand them over."""

    def __init__(self, case: Case, clip: Path, folder: Path, plan: PreparePlan) -> None:
        self.case, self.clip, self.out = case, clip, folder / "prepared"
        self.frames, options = plan.frames, dict(case.options)
        if case.name == "labels":
            options["dir"] = str(_labels_of(clip, folder / "labels"))
        self.options, self.size = options, plan.size
        job = make_job(self._request(), [load_conditioner(case.name, options)])
        self.conditioner: Conditioner = job.conditioners_of(job.inputs[0])[0]
        self.decoded = list(islice(job.frames(job.reader(job.inputs[0])), plan.held))
        self._annotate(LEAST)  # and whatever is loaded for good
        more = min(3 * LEAST, plan.frames)
        few = more // 3
        each = max(self._seconds(more) - self._seconds(few), 1e-6) / (more - few)  # what is loaded each time is in both
        self.frames = min(plan.frames, max(LEAST, int(plan.seconds / each)))

    def alone(self) -> Took:
        return _took(lambda: self._annotate(self.frames), self.frames)

    def whole(self) -> Took:
        try:
            return _took(lambda: prepare(self._request(), silent), self.frames)
        finally:
            shutil.rmtree(self.out, ignore_errors=True)

    def _seconds(self, count: int) -> float:
        began = time.perf_counter()
        self._annotate(count)
        return time.perf_counter() - began

    def _annotate(self, count: int) -> None:
        for _ in self.conditioner.annotate(islice(cycle(self.decoded), count)):
            pass

    def _request(self) -> PrepareRequest:
        options = {self.case.name: self.options} if self.options else {}
        return PrepareRequest(
            (self.clip,), (self.case.name,), self.out, options, size=self.size, max_frames=self.frames, overwrite=True
        )


def measure(material: Material, say: Say, plan: PreparePlan | None = None) -> dict[str, Any]:
    """Every conditioner that is ready here, alone and in `prepare`, by turns, so that both meet the same weather."""
    plan = plan or PreparePlan()
    benches = _benches(material.folder / "prepare", plan, say)
    found: dict[str, dict[str, list[Took]]] = {bench.case.title: {"alone": [], "whole": []} for bench in benches}
    for index in range(plan.rounds):
        for bench in benches:
            took = found[bench.case.title]
            for side in ("alone", "whole") if index % 2 == 0 else ("whole", "alone"):
                took[side].append(bench.alone() if side == "alone" else bench.whole())
            rates = ", ".join(f"{side} {figures(values[-1].rate)}" for side, values in took.items())
            say(f"prepare, round {index + 1} of {plan.rounds}: {bench.case.title}: {rates} frames/s")
    return {
        "size": plan.size,
        "goal": GOAL,
        "cores": os.cpu_count(),
        "cases": {bench.case.title: _summary(bench, found[bench.case.title]) for bench in benches},
    }


def show(found: Mapping[str, Any]) -> str:
    """As Markdown."""
    rows = [
        [
            title,
            case["frames_size"],
            figures(case["alone"]["rate"]),
            figures(case["whole"]["rate"]),
            f"{100 * case['ratio']:.0f} %",
            figures(case["alone"]["work"]),
            figures(case["whole"]["work"]),
        ]
        for title, case in found["cases"].items()
    ]
    header = ["conditioner", "frames", "alone, frames/s", "`prepare`, frames/s", "of it", "alone, ms", "`prepare`, ms"]
    counts = " / ".join(str(case["frames"]) for case in found["cases"].values())
    note = (
        f"{counts} frames, {found['cores']} cores; medians of rounds by turns. Alone: frames decoded beforehand, "
        "`annotate` and nothing else. `prepare`: from file to a whole dataset with frames (JPEG) and preview. The "
        f"milliseconds are those of all cores together, per frame. The goal is {found['goal']:.0%}."
    )
    return table(f"`prepare` at {found['size']} pixels", header, rows, note)


def _summary(bench: _Bench, took: Mapping[str, Sequence[Took]]) -> dict[str, Any]:
    ratios = [whole.rate / alone.rate for alone, whole in zip(took["alone"], took["whole"], strict=True)]
    height, width = bench.decoded[0].shape[:2]
    return {
        "frames": bench.frames,
        "frames_size": f"{width}x{height}",
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        **{
            side: {
                "rate": statistics.median(one.rate for one in values),
                "work": statistics.median(one.work for one in values),
                "rates": [one.rate for one in values],
            }
            for side, values in took.items()
        },
    }


def _took(work: Callable[[], object], frames: int) -> Took:
    busy, began = _busy(), time.perf_counter()
    work()
    return Took(frames / (time.perf_counter() - began), 1000 * (_busy() - busy) / frames)


def _busy() -> float:
    """Seconds that this process has worked, and those that it started and that have ended."""
    return sum(os.times()[:4])


def _benches(folder: Path, plan: PreparePlan, say: Say) -> list[_Bench]:
    """One for each conditioner that can work here; why another cannot is said."""
    ready = []
    for number, case in enumerate(plan.cases):
        place = folder / str(number)
        place.mkdir(parents=True)
        clip = _clip(case.shows, place, plan)
        if clip is None:
            say(f"prepare: {case.title} is left out: there is no clip that shows a {case.shows}")
            continue
        try:
            ready.append(_Bench(case, clip, place, plan))
        except (MissingPackageError, MissingWeightsError) as error:
            say(f"prepare: {case.title} is left out: {error.message}")
    return ready


def _clip(shows: Shows, folder: Path, plan: PreparePlan) -> Path | None:
    """A clip of enough frames."""
    real = plan.real / f"{REAL[shows]}.mp4" if plan.real is not None else None
    if real is not None and real.is_file():
        expected = VideoReader(real).expected
        return real if expected is not None and expected >= plan.frames else looped(real, plan.frames, folder / "l.mp4")
    if shows == "body":
        return None
    with VideoWriter(folder / "short.mp4", Fraction(25)) as writer:
        for frame in drawn_clip(min(plan.frames, 40), plan.size, plan.size * 4 // 3):
            writer.write(frame)
    return looped(folder / "short.mp4", plan.frames, folder / "drawn.mp4")


def _labels_of(clip: Path, folder: Path) -> Path:
    """Label maps beside all of a clip: its brightness in a few steps."""
    folder.mkdir()
    for index, frame in enumerate(VideoReader(clip)):
        soft = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (0, 0), 4)
        save_labels(folder / f"{index:06d}.png", (np.asarray(soft) // (256 // CLASSES)).astype(np.uint8))
    return folder
