"""One process at a time where files are written."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import IO

from vid2vid_cli.core.errors import ExistsError

PATIENCE = 2.0
"""Seconds for which a process that was killed may seem to live: what it was just starting holds its lock a moment."""


def lock(file: IO[str], where: Path, remedy: str) -> None:
    """Keep other processes out of `where`, until `file`, an open one, is closed; raises ExistsError where one is in.

    The system lets go of the lock when this process ends, however it ends. Does nothing on Windows.
    """
    if sys.platform == "win32":
        return
    import fcntl

    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() < until:
                time.sleep(0.05)
                continue
            words = f"Another vid2vid (not process {os.getpid()}) is writing to {where}."
            raise ExistsError(words, remedy) from error
