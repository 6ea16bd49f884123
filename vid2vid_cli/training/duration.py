"""The expected time of a training on this machine, measured on its first steps."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.engine.curriculum import batch_repeats
from vid2vid_cli.engine.events import Event, EventHandler, StepEvent, WarningEvent
from vid2vid_cli.engine.memory_estimate import estimate_model_size
from vid2vid_cli.engine.progress import format_number
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.tools.conditioner_info import format_bytes
from vid2vid_cli.training.job import TrainJob
from vid2vid_cli.training_data.preset_choice import is_gpu_preset, smaller_preset

MAX_HOURS = 24.0
"""A training that takes longer is reported."""
NUM_MEASURED_STEPS = 3
LONG_STEP_SECONDS = 60.0
"""A first step of this length is measured alone; otherwise it is left out, because it includes the start."""


class DurationCheck:
    """An event handler that passes events on and warns once, after the first steps, if the training takes days."""

    def __init__(
        self,
        request: TrainRequest,
        job: TrainJob,
        runtime: Runtime,
        length_schedule: Callable[[int], int],
        *,
        emit: EventHandler,
    ) -> None:
        self._request, self._job, self._runtime = request, job, runtime
        self._num_steps = request.max_steps or job.config.schedule.max_steps
        self._length_schedule, self._emit = length_schedule, emit
        self._first: StepEvent | None = None
        self._is_done = job.resumed_record is not None or request.max_seconds is not None

    def __call__(self, event: Event) -> None:
        """Pass an event on, and measure the steps of a training that has just begun."""
        self._emit(event)
        if self._is_done or not isinstance(event, StepEvent):
            return
        if self._first is None:
            self._first = event
            if event.elapsed_seconds >= LONG_STEP_SECONDS:
                self._check(event.elapsed_seconds, event.step - 1, event.step)
        elif event.step - self._first.step >= NUM_MEASURED_STEPS:
            self._check(event.elapsed_seconds - self._first.elapsed_seconds, self._first.step, event.step)

    def _check(self, seconds: float, start: int, stop: int) -> None:
        """Warn if all steps take too long, given the seconds of the steps from `start` to `stop` - 1."""
        self._is_done = True
        total_seconds = seconds * self._num_frames(0, self._num_steps) / self._num_frames(start, stop)
        if total_seconds > MAX_HOURS * 3600:
            self._emit(WarningEvent(self._describe(seconds / (stop - start), total_seconds)))

    def _num_frames(self, start: int, stop: int) -> int:
        """Frames of the steps: the time of a step is proportional to the length of its clips."""
        config = self._job.config
        return sum(self._length_schedule(step) * batch_repeats(config, step) for step in range(start, stop))

    def _describe(self, step_seconds: float, total_seconds: float) -> str:
        """The expected time and memory, and what to do."""
        preset, device = self._request.preset, self._runtime.device
        name = f"preset {preset}" if preset else "this configuration"
        memory = peak_memory_bytes(device)
        memory_text = f", {format_bytes(memory)} of memory at the peak" if memory else ""
        # The warm-up on single frames is faster than clips of as many frames.
        least = "at least" if self._job.config.effective_image_warmup else "about"
        text = (
            f"{name} takes {least} {total_seconds / 86400:.1f} days on this machine ({device}): "
            f"{format_number(step_seconds)} seconds per step at the start, {self._num_steps} steps{memory_text}."
        )
        dataset = self._job.training_data.dataset
        smaller = smaller_preset(preset, dataset.manifest.conditioner_names, device.type)
        if not smaller:
            return f"{text} Set a limit with --max-time or --steps."
        command = shell_command("vid2vid", "train", "--preset", smaller, "--data", dataset.folder)
        return f"{text} To stop: Ctrl-C. For this machine: {command}"


def peak_memory_bytes(device: torch.device) -> int:
    """Peak memory of this process: on a CUDA device that of its tensors, otherwise main memory; 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def plan_duration(request: TrainRequest, job: TrainJob, runtime: Runtime) -> tuple[tuple[str, str], ...]:
    """Rows of a plan on time and memory; nothing is measured."""
    rows = (("time", "not measured in a dry run; training measures its first steps"),)
    if job.resumed_record is not None or not is_gpu_preset(request.preset) or runtime.device.type == "cuda":
        return rows
    data, config = job.training_data, job.config
    model_size = estimate_model_size(config, data.condition_spec(config), *data.image_size)
    smaller = smaller_preset(request.preset, data.dataset.manifest.conditioner_names, runtime.device.type)
    warning = f"preset {request.preset} is for a CUDA GPU and may take days on {runtime.device}; for it: {smaller}"
    return (*rows, ("memory", f"about {format_bytes(model_size.training_bytes)}, estimated"), ("warning", warning))
