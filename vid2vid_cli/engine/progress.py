"""Progress, throughput and remaining time of a stage. Standard library only."""

from __future__ import annotations

import math
import time
from collections import deque

from vid2vid_cli.engine.events import StepEvent

RATE_WINDOW_SECONDS = 30.0
"""Window of the throughput: the start of a stage is slower than the rest."""
MIN_INTERVAL_SECONDS = 1.0
"""Shortest time between two JSON events about one stage."""
FIRST_LINE_SECONDS, MAX_LINE_SECONDS = 5.0, 600.0
"""Shortest and longest time between two plain lines about one stage."""
LINE_GROWTH = 0.25
"""Time until the next plain line, as a fraction of the time since the start of the stage."""
LINE_LOSSES = ("l1", "cycle", "perceptual", "feature_matching", "adversarial")
"""The losses of plain lines, in order of preference; all losses are in events.jsonl and in --json output."""
NUM_LINE_LOSSES = 2


class ProgressMeter:
    """Progress, throughput and remaining time of one stage."""

    def __init__(self, name: str, unit: str) -> None:
        self.name, self.unit = name, unit
        self.done = 0
        self.total: int | None = None
        self.max_seconds: float | None = None
        self.elapsed_seconds = 0.0
        self.losses: dict[str, float] = {}
        self._start_time = self._last_update = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque()
        self._last_line_time, self._is_end_printed = -math.inf, False
        self._last_json_time = -math.inf

    def set_progress(self, done: int, total: int | None) -> None:
        """Record that `done` of `total` units are finished."""
        now = time.monotonic()
        self.done, self.total, self._last_update = done, total, now
        if not self._samples or now - self._samples[-1][0] > 0.2 or done == total:
            self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[1][0] > RATE_WINDOW_SECONDS:
            self._samples.popleft()

    def record_step(self, event: StepEvent) -> None:
        """Record a training step; losses are smoothed over about ten steps."""
        self.set_progress(event.step, event.max_steps)
        self.max_seconds, self.elapsed_seconds = event.max_seconds, event.elapsed_seconds
        for name, value in event.losses.items():
            previous = self.losses.get(name, value)
            self.losses[name] = value if not math.isfinite(previous) else 0.9 * previous + 0.1 * value

    @property
    def fraction(self) -> float | None:
        """Finished fraction from 0 to 1; None if the length is unknown."""
        fractions = [self.done / self.total] if self.total else []
        fractions += [self.elapsed_seconds / self.max_seconds] if self.max_seconds else []
        return min(max(fractions), 1.0) if fractions else None

    @property
    def throughput(self) -> float:
        """Units per second over the last RATE_WINDOW_SECONDS."""
        if len(self._samples) < 2:
            return 0.0
        (start_time, start_done), (end_time, end_done) = self._samples[0], self._samples[-1]
        return (end_done - start_done) / max(end_time - start_time, 1e-9)

    @property
    def eta_seconds(self) -> float | None:
        """Remaining seconds; None if they cannot be estimated."""
        estimates = (
            [(self.total - self.done) / self.throughput] if self.total is not None and self.throughput > 0 else []
        )
        estimates += [self.max_seconds - self.elapsed_seconds] if self.max_seconds else []
        return max(min(estimates), 0.0) if estimates else None

    def status_cells(self) -> list[str]:
        """1200/4800 frames · 85.1 frames/s · ETA 0:42 (at the end: the total time)."""
        total_text = f"/{self.total}" if self.total is not None else ""
        time_text = (
            f"{format_duration(self.elapsed_seconds)} of {format_duration(self.max_seconds)}"
            if self.max_seconds
            else ""
        )
        if self.fraction is not None and self.fraction >= 1:
            time_text = f"in {format_duration(self._last_update - self._start_time)}"
        elif self.eta_seconds is not None:
            time_text = f"ETA {format_duration(self.eta_seconds)}"
        elif not self.throughput and time.monotonic() - self._start_time >= MIN_INTERVAL_SECONDS:
            time_text = f"{format_duration(time.monotonic() - self._start_time)} since the start"
        return [
            f"{self.done}{total_text} {self.unit}",
            f"{format_number(self.throughput)} {self.unit}/s" if self.throughput else "",
            time_text,
        ]

    def plain_line(self) -> str:
        """One aligned line: stage, progress, throughput, remaining time, and at most two losses."""
        progress, throughput, time_text = self.status_cells()
        width = len(f"{self.total}/{self.total} {self.unit}") if self.total is not None else len(f"{10**6} {self.unit}")
        losses = "  ".join(f"{name} {format_number(self.losses[name]):<6}" for name in self._line_losses())
        line = f"{self.name:<10}  {progress:>{width}}  {throughput:>{len(self.unit) + 7}}  {time_text:<13}  {losses}"
        return line.rstrip()

    def _line_losses(self) -> list[str]:
        names = [name for name in LINE_LOSSES if name in self.losses] or list(self.losses)
        return names[:NUM_LINE_LOSSES]

    def should_print(self) -> bool:
        """Whether a plain line is due now: at the start, at growing intervals, and at the end.

        If so, the time of the line is recorded.
        """
        now, is_end = time.monotonic(), (self.fraction or 0.0) >= 1
        interval = min(max(FIRST_LINE_SECONDS, LINE_GROWTH * (now - self._start_time)), MAX_LINE_SECONDS)
        if self._is_end_printed or not (is_end or now - self._last_line_time >= interval):
            return False
        self._last_line_time, self._is_end_printed = now, is_end
        return True

    def should_emit_json(self) -> bool:
        """Whether a JSON event is due now: once a second, and at the end."""
        now = time.monotonic()
        if now - self._last_json_time < MIN_INTERVAL_SECONDS and self.done != self.total:
            return False
        self._last_json_time = now
        return True


def format_duration(seconds: float) -> str:
    """0:07, 12:30, 1:02:03."""
    minutes, remaining_seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{remaining_seconds:02}" if hours else f"{minutes}:{remaining_seconds:02}"


def format_number(value: float) -> str:
    """Three significant digits."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
