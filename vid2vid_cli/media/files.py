"""Files that are either whole or not there, and names that are not taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from vid2vid_cli.media.os_errors import writing_failed


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it; nothing is left where it fails.

    Raises DiskFullError, PermissionDeniedError.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(unfinished)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise writing_failed(path, error) from error
    finally:
        # A disk for reading only refuses even this, and would have the last word.
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole; the same errors as `write_whole`."""

    def write(unfinished: Path) -> None:
        unfinished.write_text(text, encoding="utf-8")

    write_whole(path, write)


def digest_of(*files: Path) -> str:
    """sha256 of the contents of files, one after the other; memory does not grow with them. Raises OSError."""
    total = sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def free_name(path: Path, *, folder: bool = False, taken: Callable[[Path], bool] = Path.exists) -> Path:
    """`path`, or where it is taken `path-2`, `path-3`, ...: before the suffix, which the name of a folder has not."""
    stem, suffix = (path.name, "") if folder else (path.stem, path.suffix)
    candidate, number = path, 2
    while taken(candidate):
        candidate = path.with_name(f"{stem}-{number}{suffix}")
        number += 1
    return candidate
