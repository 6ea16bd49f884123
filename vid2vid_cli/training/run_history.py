"""What the events of a training contain that its report shows, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vid2vid_cli.engine.event_log import log_events, read_event_log
from vid2vid_cli.engine.events import (
    ArtifactEvent,
    Event,
    EventHandler,
    StepEvent,
    WarningEvent,
    event_name,
    ignore_events,
)
from vid2vid_cli.reports.series import BlockSeries


class RunHistory:
    """Curves of losses and quality, warnings and the last comparison. The event log is read once, for a resumed run."""

    def __init__(self) -> None:
        self.losses: dict[str, BlockSeries] = {}
        self.quality = BlockSeries()
        self.last_quality: float | None = None
        self.warnings: dict[str, None] = {}
        """Each once, in order."""
        self.num_steps = 0
        self.elapsed_seconds = 0.0
        self.comparison: tuple[int | None, str] = (None, "")
        """Step and text of the last comparison with the nearest training frames."""

        self.phases: Sequence[tuple[int, str]] = ()
        """First step and description of each phase of the training; they are not in the event log."""

    @classmethod
    def read(cls, folder: Path) -> RunHistory:
        """The history of a run, from its event log."""
        history = cls()
        for event in read_event_log(folder):
            history.record(event)
        return history

    def listen(self, emit: EventHandler) -> EventHandler:
        """An event handler that records events and forwards them to `emit`."""

        def handle(event: Event) -> None:
            if isinstance(event, (StepEvent, WarningEvent, ArtifactEvent)):
                self.record({"event": event_name(event), **asdict(event)})
            emit(event)

        return handle

    def record(self, event: Mapping[str, Any]) -> None:
        """Record an event in the form of the event log. Steps that a resumed training repeats replace earlier ones."""
        if event["event"] == "warning":
            self.warnings[str(event.get("message", ""))] = None
        elif event["event"] == "step":
            self._record_step(event)
        elif event["event"] == "artifact" and event["kind"] == "comparison":
            self.comparison = event["details"].get("step"), str(event["details"].get("text", ""))
        elif event["event"] == "artifact" and event["kind"] == "quality":
            value = event["details"].get("quality")
            if isinstance(value, int | float):
                self.last_quality = float(value)
                self.quality.add(float(event["details"].get("step", self.num_steps)), float(value))

    def _record_step(self, event: Mapping[str, Any]) -> None:
        step = int(event["step"])
        if step <= self.num_steps:
            for series in (*self.losses.values(), self.quality):
                series.drop_from(step)
        for name, value in event["losses"].items():
            if isinstance(value, int | float):
                self.losses.setdefault(name, BlockSeries()).add(step, float(value))
        self.num_steps = step
        seconds = event.get("elapsed_seconds")
        self.elapsed_seconds = float(seconds) if isinstance(seconds, int | float) else self.elapsed_seconds


def open_history(folder: Path, emit: EventHandler, *, is_main: bool) -> tuple[RunHistory, EventHandler]:
    """The history of a run, and an event handler that records, logs and forwards events.

    `is_main`: whether this is the main process; other processes neither record nor emit anything.
    """
    if not is_main:
        return RunHistory(), ignore_events
    history = RunHistory.read(folder)
    return history, history.listen(log_events(folder, emit))
