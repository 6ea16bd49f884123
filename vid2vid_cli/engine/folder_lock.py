"""A lock that lets one process at a time write to a folder."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import IO

from vid2vid_cli.core.errors import OutputExistsError

LOCK_TIMEOUT_SECONDS = 2.0
"""A child of a killed process may hold the lock for a moment."""


def acquire_folder_lock(file: IO[str], folder: Path, remedy: str) -> None:
    """Lock `folder` until the open `file` is closed. Raises OutputExistsError if another process holds the lock.

    The operating system releases the lock when this process ends. No effect on Windows.
    """
    if sys.platform == "win32":
        return
    import fcntl

    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            message = f"Another vid2vid (not process {os.getpid()}) is writing to {folder}."
            raise OutputExistsError(message, remedy) from error
