"""How far a stage of work has come, how fast it goes, and when it is worth a word. Standard library only."""

from __future__ import annotations

import math
import time
from collections import deque

from vid2vid_cli.engine.events import Stepped

WINDOW = 30.0
"""Seconds over which the rate is taken: the start is always slow."""
HEARTBEAT_SECONDS = 15.0
HEARTBEAT_PART = 0.05
QUICKEST = 1.0
"""Seconds between two lines about one stage at least, however fast it goes."""


class Pace:
    """How far one stage has come, how fast it goes and when it will end."""

    def __init__(self, name: str, unit: str) -> None:
        self.name, self.unit = name, unit
        self.done = 0
        self.total: int | None = None
        self.budget: float | None = None
        self.seconds = 0.0
        self.losses: dict[str, float] = {}
        self._began = self._moved = time.monotonic()
        self._marks: deque[tuple[float, int]] = deque()
        self._said, self._said_part = self._began, 0.0
        self._told = -math.inf

    def move(self, done: int, total: int | None) -> None:
        """The stage has come to `done` of `total`."""
        now = time.monotonic()
        self.done, self.total, self._moved = done, total, now
        if not self._marks or now - self._marks[-1][0] > 0.2 or done == total:
            self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] > WINDOW:
            self._marks.popleft()

    def step(self, event: Stepped) -> None:
        """A training step; losses are smoothed over about ten of them."""
        self.move(event.step, event.steps)
        self.budget, self.seconds = event.budget, event.seconds
        for name, value in event.losses.items():
            last = self.losses.get(name, value)
            self.losses[name] = value if not math.isfinite(last) else 0.9 * last + 0.1 * value

    @property
    def part(self) -> float | None:
        """0 to 1, or None where the end is not known."""
        parts = [self.done / self.total] if self.total else []
        parts += [self.seconds / self.budget] if self.budget else []
        return min(max(parts), 1.0) if parts else None

    @property
    def rate(self) -> float:
        """Units per second over the last marks."""
        if len(self._marks) < 2:
            return 0.0
        (then, first), (now, last) = self._marks[0], self._marks[-1]
        return (last - first) / max(now - then, 1e-9)

    @property
    def left(self) -> float | None:
        """Seconds until the end, or None where it cannot be told."""
        ends = [(self.total - self.done) / self.rate] if self.total is not None and self.rate > 0 else []
        ends += [self.budget - self.seconds] if self.budget else []
        return max(min(ends), 0.0) if ends else None

    def cells(self) -> list[str]:
        """1200/4800 frames · 85.1 frames/s · ETA 0:42 (at the end: the time it took)."""
        total = f"/{self.total}" if self.total is not None else ""
        end = f"{clock(self.seconds)} of {clock(self.budget)}" if self.budget else ""
        if self.part is not None and self.part >= 1:
            end = f"in {clock(self._moved - self._began)}"
        elif self.left is not None:
            end = f"ETA {clock(self.left)}"
        return [f"{self.done}{total} {self.unit}", f"{short(self.rate)} {self.unit}/s" if self.rate else "", end]

    def due(self) -> bool:
        """Whether a line without a terminal is due now; asking counts as saying it."""
        now, part = time.monotonic(), self.part or 0.0
        waited = now - self._said
        stride = waited >= QUICKEST and part - self._said_part >= HEARTBEAT_PART
        if not (waited >= HEARTBEAT_SECONDS or stride or (part >= 1 > self._said_part)):
            return False
        self._said, self._said_part = now, part
        return True

    def due_for_json(self) -> bool:
        """The same for events in JSON: one a second, and the last."""
        now = time.monotonic()
        if now - self._told < QUICKEST and self.done != self.total:
            return False
        self._told = now
        return True


def clock(seconds: float) -> str:
    """0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short(value: float) -> str:
    """Three figures, for people."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
