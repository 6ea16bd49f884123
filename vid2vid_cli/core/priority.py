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


def _step_back(who: int) -> None:
    if sys.platform != "win32":
        with suppress(OSError):  # what was started with less is left as it is
            os.setpriority(os.PRIO_PROCESS, who, max(NICENESS, os.getpriority(os.PRIO_PROCESS, who)))
