"""Rate and latency of live frames, in bounded memory."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

RECENT_SECONDS = 5.0
MAX_LATENCIES = 20_000
"""Latencies from which the median of the whole run is computed: the last ones of a longer run."""


@dataclass(frozen=True)
class LiveSummary:
    """Counts and times of a live run, or of its last seconds."""

    num_shown: int
    frames_per_second: float
    median_latency_ms: float
    """From the capture of a frame until its result is on the page or in the file."""
    p95_latency_ms: float
    cpu_ms_per_frame: float
    """Time of all threads of the process per frame, on all cores together."""


class LiveStatistics:
    """Records each shown frame. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latencies: deque[float] = deque(maxlen=MAX_LATENCIES)
        self._recent: deque[tuple[float, float]] = deque()
        """(time, latency) of the last RECENT_SECONDS."""
        self._first = self._last = (0.0, 0.0)
        """(wall, CPU) seconds at the first and the last frame."""
        self.num_shown = 0

    def add(self, capture_time: float) -> None:
        """Record a frame that is shown now."""
        now = time.monotonic()
        with self._lock:
            self._last = now, time.process_time()
            self._first = self._first if self.num_shown else self._last
            self.num_shown += 1
            self._latencies.append(now - capture_time)
            self._recent.append((now, now - capture_time))
            while now - self._recent[0][0] > RECENT_SECONDS:
                self._recent.popleft()

    def recent(self) -> LiveSummary:
        """The last seconds; `num_shown` counts all frames, and the CPU time is that of the whole run."""
        with self._lock:
            now = time.monotonic()
            frames = [frame for frame in self._recent if now - frame[0] <= RECENT_SECONDS]
            seconds = now - frames[0][0] if frames else 0.0
            return self._summarise(len(frames) - 1, seconds, [latency for _, latency in frames])

    def total(self) -> LiveSummary:
        """The whole run."""
        with self._lock:
            return self._summarise(self.num_shown - 1, self._last[0] - self._first[0], list(self._latencies))

    def _summarise(self, num_intervals: int, seconds: float, latencies: Sequence[float]) -> LiveSummary:
        ordered = sorted(latencies) or [0.0]
        return LiveSummary(
            self.num_shown,
            frames_per_second=num_intervals / seconds if seconds > 0 and num_intervals > 0 else 0.0,
            median_latency_ms=1000 * median(ordered),
            p95_latency_ms=1000 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
            cpu_ms_per_frame=1000 * (self._last[1] - self._first[1]) / max(self.num_shown - 1, 1),
        )
