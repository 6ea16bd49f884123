"""Inputs of the benchmarks: a clip, a dataset made from it, and checkpoints of untrained generators.

The speed of a generator does not depend on its weights.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.engine.events import Event, StepEvent, ignore_events
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import TrainRequest, TrainResult, train
from vid2vid_cli.training_data.untrained_checkpoint import save_untrained_checkpoint

Log = Callable[[str], None]
"""Receives lines about the progress."""
DECIMALS: Mapping[str, int] = {
    **dict.fromkeys(("ssim", "cycle_ssim"), 3),
    **dict.fromkeys(("warping_error", "warping_error_real", "sample_diversity"), 4),
    **dict.fromkeys(("steps", "cpu_seconds"), 0),
}
"""Of a metric in a table; 2 by default."""
REPORT_SECONDS = 20.0
"""Time between two lines about the progress of a training."""


def format_metric(name: str, value: float | None) -> str:
    """The value of a metric in a table; a dash if it was not measured."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{DECIMALS.get(name, 2)}f}"


class StepClock:
    """Measures the processor time of this process from the first step to the last; optionally ends the training."""

    def __init__(self, log: Log, limit: float | None = None) -> None:
        self.log = log
        self.limit = limit
        """Seconds after which SIGTERM is sent, with which `train` finishes the step and saves; None: never.

        Not SIGINT, which a shell lets programs in the background ignore.
        """
        self.times: list[float] = []
        self._last_report = time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepEvent):
            self.times.append(time.process_time())
            if time.monotonic() - self._last_report >= REPORT_SECONDS:
                self._last_report = time.monotonic()
                self.log(self._describe_progress(event))
            if self.is_over:
                signal.raise_signal(signal.SIGTERM)

    def _describe_progress(self, event: StepEvent) -> str:
        """`step 80 of 300, 41 s`; the limit is that of steps, of processor time or of time."""
        steps = f"step {event.step}" + ("" if event.max_steps is None else f" of {event.max_steps}")
        if self.limit is not None:
            return f"{steps}, {self.seconds:.0f} of {self.limit:g} s of processor time"
        limit = "" if event.max_seconds is None else f" of {event.max_seconds:g}"
        return f"{steps}, {event.elapsed_seconds:.0f}{limit} s"

    @property
    def seconds(self) -> float:
        return self.times[-1] - self.times[0]

    @property
    def is_over(self) -> bool:
        return self.limit is not None and self.seconds >= self.limit


def train_for(request: TrainRequest, cpu_seconds: float | None, log: Log) -> tuple[TrainResult, float]:
    """Train for a processor time; None: to the limits of the request. Returns the result and the seconds of the steps.

    The processor time of a step depends on other programs, so that the number of steps cannot be computed before.
    """
    clock = StepClock(log, cpu_seconds)
    try:
        return train(request, clock), clock.seconds
    except KeyboardInterrupt:
        if not clock.is_over:
            raise
    # One step more: an interrupted training has no final sample sheet.
    return train(replace(request, resume=request.out, max_steps=len(clock.times) + 1), ignore_events), clock.seconds


@dataclass(frozen=True)
class Case:
    """A model to measure: a preset at a height, with further settings (`KEY=VALUE`)."""

    preset: str
    height: int
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.preset}, {self.height}²"

    @property
    def config(self) -> Config:
        return resolve_config(self.preset, None, (f"data.height={self.height}", *self.settings), {}).config


@dataclass(frozen=True)
class BenchmarkInputs:
    """A clip, its dataset, and a folder for everything else."""

    folder: Path
    video: Path
    dataset: Path
    device: str

    def create_checkpoint(self, case: Case) -> Path:
        """A checkpoint of an untrained generator, with the statistics of the dataset."""
        path = self.folder / f"{case.preset}_{case.height}.ckpt"
        save_untrained_checkpoint(path, self.dataset, case.config)
        return path


def create_inputs(folder: Path, video: Path, *, conditioner: str = "landmarks", device: str = "cpu") -> BenchmarkInputs:
    """Prepare a dataset from the clip."""
    request = PrepareRequest(videos=(video,), conditioners=(conditioner,), out=folder / "dataset")
    return BenchmarkInputs(folder, video, prepare(request, ignore_events).path, device)
