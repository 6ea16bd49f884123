"""Who goes first where there are more threads than cores.

A detector's threads wake each other many times a frame. Where each waits its turn behind threads that write pictures,
a quarter of its time is waiting; so what only has to keep up gives way to it.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

NICENESS = 10
"""In the words of nice(1): 0 is everybody's, 19 the most modest."""
FEW = 3
"""Cores that helpers may keep busy, all of them."""
GROUP = Path("/proc/self/autogroup")
"""Where Linux keeps the niceness of a whole session, which counts before that of its threads."""


def give_way() -> None:
    """Let this thread, and those that it starts, run when others leave it room; for good. On Linux; else nothing."""
    if sys.platform == "linux":
        _step_back(threading.get_native_id())


def give_way_as_session() -> None:
    """The same of all of this process, which leads a session of its own. On Linux and macOS; else nothing."""
    if sys.platform != "win32":
        _step_back(0)
        with suppress(OSError):
            GROUP.write_text(str(NICENESS), encoding="ascii")


def keep_to_one_core() -> None:
    """Keep this thread, and those that it starts, on one core, where there are two or three; on Linux; else nothing.

    For threads of which one works while the others wait for it. They wake each other, and many a kernel (servers' are
    built so, CONFIG_PREEMPT_NONE) lets a woken thread wait until the next tick, 4 ms at 250 Hz, where the core that it
    is sent to is busy. On their own core the next begins as the last goes to sleep: prepare with MediaPipe's landmarks
    took 11.7 ms a frame in place of 12.7, on two cores. Where there are more, one is free.
    """
    if sys.platform == "linux":
        cores = os.sched_getaffinity(0)
        if 2 <= len(cores) <= FEW:
            with suppress(OSError):  # what else it runs in may forbid it
                os.sched_setaffinity(0, {min(cores)})


def _step_back(who: int) -> None:
    if sys.platform != "win32":
        with suppress(OSError):  # what was started with less is left as it is
            os.setpriority(os.PRIO_PROCESS, who, max(NICENESS, os.getpriority(os.PRIO_PROCESS, who)))
