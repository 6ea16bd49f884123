"""Hidden files that are being written, `.NAME.PID.partial`, and the removal of those of killed processes."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

_PARTIAL_FILE_PATTERN = re.compile(r"\..+\.(?P<pid>\d{1,9})\.partial(\.\w+)?(\.video)?")
VIDEO_ONLY_SUFFIX = ".video"
"""Suffix of a second partial file, of a video without audio, beside that of the whole video."""


class PartialFile:
    """A hidden file beside `path`, which the caller writes and renames. Creating it removes those of dead processes.

    The file is locked while it is in use, because the process that writes it may run on another machine or in another
    container, where its number means nothing. `suffix` selects a file type.
    """

    def __init__(self, path: Path, suffix: str = "") -> None:
        name = path.name.removesuffix(suffix)
        self.path = path.with_name(f".{name}.{os.getpid()}.partial{suffix}")
        self._lock_file: IO[bytes] | None = None

    def create(self) -> None:
        """Create and lock the empty file. Raises OSError."""
        _remove_dead_files(Path(os.path.abspath(self.path.parent)))  # noqa: PTH100 - links need not be resolved
        self._lock_file = self.path.open("wb")
        _try_lock(self._lock_file)

    def remove(self) -> None:
        """Release the lock, and remove the file unless it has been renamed. Raises nothing."""
        if self._lock_file is not None:
            self._lock_file.close()
        with suppress(OSError):  # unlink fails on a read-only disk, where the file does not exist
            self.path.unlink(missing_ok=True)


@cache
def _remove_dead_files(folder: Path) -> None:
    """Remove the partial files of dead processes in a folder; once per folder, because folders of frames are large."""
    if sys.platform == "win32":  # there, os.kill ends processes
        return
    with suppress(OSError):
        for entry in folder.iterdir():
            match = _PARTIAL_FILE_PATTERN.fullmatch(entry.name)
            if match and not _is_alive(int(match["pid"])) and _is_unlocked(entry):
                entry.unlink(missing_ok=True)


def _is_alive(process_id: int) -> bool:
    """Whether a process of this machine has this number."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:  # a process of another user
        return True
    return True


def _is_unlocked(path: Path) -> bool:
    """Whether no process of any machine has the partial file, or the file that it belongs to, in use."""
    locked_path = path.with_name(path.name.removesuffix(VIDEO_ONLY_SUFFIX))
    if not locked_path.exists():
        return True
    with locked_path.open("rb") as file:
        return _try_lock(file)


def _try_lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; False if another process has it, or the file system has no locks."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
