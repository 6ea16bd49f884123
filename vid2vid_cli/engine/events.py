"""Events that the pipelines emit for the terminal and the event log. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field


@dataclass(frozen=True)
class ProgressEvent:
    """Progress of a stage."""

    stage: str
    done: int
    total: int | None
    """None if the length is unknown."""
    unit: str = "frames"


@dataclass(frozen=True)
class StepEvent:
    """A training step is finished."""

    step: int
    max_steps: int | None
    """None if the training is limited by time."""
    losses: Mapping[str, float]
    _: KW_ONLY
    elapsed_seconds: float
    """Training time of the run, including the time before a resume."""
    max_seconds: float | None = None
    """Time limit in seconds, or None."""
    data_wait_seconds: float = 0.0
    """Time that this process has waited for clips."""
    num_skipped_updates: int = 0
    """Updates of the run that were left out, because a gradient overflowed in fp16."""


@dataclass(frozen=True)
class InfoEvent:
    """A notice."""

    message: str


@dataclass(frozen=True)
class WarningEvent:
    """A problem that may require action by the user."""

    message: str


@dataclass(frozen=True)
class ArtifactEvent:
    """An output file or folder is complete."""

    path: str
    kind: str
    """checkpoint, sample, report, ..."""
    details: Mapping[str, object] = field(default_factory=dict)


Event = ProgressEvent | StepEvent | InfoEvent | WarningEvent | ArtifactEvent
EventHandler = Callable[[Event], None]


def event_name(event: Event) -> str:
    """The name of an event in `events.jsonl` and `--json` output: progress, step, info, warning or artifact."""
    return type(event).__name__.removesuffix("Event").lower()


def ignore_events(event: Event) -> None:
    """An event handler that does nothing."""


class FrameProgress:
    """Reports the progress of a stage frame by frame, from its start on."""

    def __init__(self, stage: str, num_frames: int, emit: EventHandler) -> None:
        self._stage, self._num_frames, self._emit = stage, num_frames, emit
        self._num_done = -1
        self.advance()

    def advance(self) -> None:
        """Report one more frame."""
        self._num_done += 1
        self._emit(ProgressEvent(self._stage, self._num_done, self._num_frames))


class WarningRecorder:
    """An event handler that records warnings and forwards all events."""

    def __init__(self, emit: EventHandler) -> None:
        self._emit = emit
        self.warnings: list[str] = []

    def __call__(self, event: Event) -> None:
        """Handle one event."""
        if isinstance(event, WarningEvent):
            self.warnings.append(event.message)
        self._emit(event)
