"""The listener that sends losses, learning rates, speed, quality and sample sheets to what `train --log` names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.curriculum import lr_factor
from vid2vid_cli.engine.events import ArtifactEvent, Event, EventHandler, InfoEvent, StepEvent, WarningEvent
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.training.metric_writers import QUALITY_TAG, WRITERS, MetricWriter, hyperparameters
from vid2vid_cli.training.run_history import RunHistory, open_history

_START_HINTS = {"wandb": "Run `wandb login`, or set WANDB_MODE=offline to write local files."}


class MetricLog:
    """An event handler that passes the values of a training to writers and forwards all events.

    A writer that fails is left out with a warning; it does not end the training. What a resumed training measures
    before its first step was written when that step was trained.
    """

    def __init__(
        self, writers: Mapping[str, MetricWriter], config: Config, emit: EventHandler, *, step: int, last_step: int
    ) -> None:
        """`step`: that of the weights at the start; `last_step`: the last one that was logged before."""
        self._writers, self._config, self._emit = dict(writers), config, emit
        self._step, self._last_step = step, last_step
        self._elapsed_seconds: float | None = None
        """Training time after the last step; None before the first step of this process."""

    def __call__(self, event: Event) -> None:
        """Handle one event."""
        self._emit(event)
        if isinstance(event, StepEvent):
            self._step = event.step
            self._write(event.step, self._step_values(event))
        elif not isinstance(event, ArtifactEvent) or (self._elapsed_seconds is None and self._step > 0):
            return
        elif event.kind == "sample":
            self._call(self._step, lambda writer: writer.write_image(self._step, Path(event.path)))
        elif event.kind == "quality":
            quality = event.details.get("quality")
            if isinstance(quality, float) and math.isfinite(quality):
                self._write(self._step, {QUALITY_TAG: quality})

    def close(self) -> None:
        """Close all writers."""
        self._call(math.inf, lambda writer: writer.close())

    def _step_values(self, event: StepEvent) -> dict[str, float]:
        factor, optimizer = lr_factor(self._config.schedule, event.step - 1), self._config.optimizer
        values = {f"losses/{name}": value for name, value in event.losses.items()}
        values["lr/generator"] = optimizer.generator.lr * factor
        values["lr/discriminators"] = optimizer.discriminators.lr * factor
        values["elapsed_seconds"] = event.elapsed_seconds
        if self._elapsed_seconds is not None and event.elapsed_seconds > self._elapsed_seconds:
            values["steps_per_second"] = 1 / (event.elapsed_seconds - self._elapsed_seconds)
        self._elapsed_seconds = event.elapsed_seconds
        return values

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        self._call(step, lambda writer: writer.write(step, values))

    def _call(self, step: float, function: Callable[[MetricWriter], None]) -> None:
        """Call a method of every writer, except for those that have this step already."""
        for name, writer in list(self._writers.items()):
            if writer.keeps_values and step <= self._last_step:
                continue
            try:
                function(writer)
            except Exception as error:
                del self._writers[name]
                self._emit(WarningEvent(f"--log {name} failed and is left out: {type(error).__name__}: {error}"))


def open_listeners(
    run: RunFolder, config: Config, on_event: EventHandler, *, step: int, exit_stack: ExitStack, is_main: bool
) -> tuple[RunHistory, EventHandler]:
    """The history of a run, and an event handler that records, logs and forwards events, and writes `log_to`.

    `step`: that of the training state. `is_main`: whether this is the main process; other processes neither record nor
    emit anything. The exit stack closes the writers. Raises ConfigError (a writer cannot be opened).
    """
    history, emit = open_history(run.path, on_event, is_main=is_main)
    if not is_main or not config.checkpoint.log_to:
        return history, emit
    settings = hyperparameters(config.model_dump(mode="json"))
    writers: dict[str, MetricWriter] = {}
    for name in dict.fromkeys(config.checkpoint.log_to):
        try:
            writers[name] = WRITERS[name](run, settings, step)
        except Exception as error:
            raise ConfigError(
                f"--log {name} cannot be started: {type(error).__name__}: {error}.",
                _START_HINTS.get(name, "Train without it."),
            ) from error
        emit(InfoEvent(f"log: {writers[name].description}"))
    log = MetricLog(writers, config, emit, step=step, last_step=history.num_steps)
    exit_stack.callback(log.close)
    return history, log
