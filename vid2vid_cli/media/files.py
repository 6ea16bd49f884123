"""Atomic writes, hashes, free file names, natural sorting, and the files of a folder that are not read."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from vid2vid_cli.media.os_errors import write_error
from vid2vid_cli.media.partial_files import PartialFile

SYSTEM_FILES = {"thumbs.db", "desktop.ini"}


def atomic_write(path: Path, write: Callable[[Path], object], *, create_folder: bool = True, sync: bool = True) -> None:
    """Call `write` with a temporary path beside `path`, then rename that file to `path`.

    If `write` fails, the temporary file is removed and `path` is unchanged. Temporary files that killed processes have
    left in the folder are removed. `create_folder`: create missing parent folders. `sync`: flush the file to the disk
    before the rename, and the folder after it, which takes milliseconds.
    Raises DiskFullError, PermissionDeniedError, MissingFileError (no parent folder, with create_folder=False).
    """
    partial_file = PartialFile(path)
    temp_path = partial_file.path
    try:
        if create_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        partial_file.create()
        write(temp_path)
        if sync:
            _sync_file(temp_path)
        temp_path.replace(path)
        if sync:
            _sync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        partial_file.remove()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically. Raises the errors of `atomic_write`."""
    atomic_write(path, lambda temp_path: temp_path.write_text(text, encoding="utf-8"))


def write_frame_file(path: Path, content: bytes) -> None:
    """Write one of many files atomically, without flushing it to the disk (see `sync_files`). The folder must exist."""
    atomic_write(path, lambda temp_path: temp_path.write_bytes(content), create_folder=False, sync=False)


def sync_files(paths: Sequence[Path]) -> None:
    """Flush files and the entries of their folders to the disk, about a millisecond per file on a solid-state disk.

    A file that was renamed without this may be empty or missing after a power failure. Raises DiskFullError,
    PermissionDeniedError, MissingFileError.
    """
    for path in paths:
        try:
            _sync_file(path)
        except OSError as error:
            raise write_error(path, error) from error
    for folder in dict.fromkeys(path.parent for path in paths):
        _sync_folder(folder)


def _sync_file(path: Path) -> None:
    with path.open("r+b") as file:  # Windows flushes writable files only
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # a folder cannot be opened there
        return
    with suppress(OSError):  # some network file systems refuse this for folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sha256_of_files(*files: Path) -> str:
    """sha256 of the concatenated contents of files, read in blocks. Raises OSError."""
    digest = sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def unique_path(path: Path, *, is_folder: bool = False, is_taken: Callable[[Path], bool] = Path.exists) -> Path:
    """`path`, or the first of `path-2`, `path-3`, ... that is not taken. A file's number precedes its suffix."""
    stem, suffix = (path.name, "") if is_folder else (path.stem, path.suffix)
    candidate, number = path, 2
    while is_taken(candidate):
        candidate = path.with_name(f"{stem}-{number}{suffix}")
        number += 1
    return candidate


def natural_sort_key(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts frame9 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def describe_ignored(folder: Path, read_files: Sequence[Path]) -> str:
    """A sentence that names the visible entries of a folder that are not among `read_files`; "" if there are none."""
    read_names = {file.name for file in read_files}
    ignored = [
        entry.name + ("/" if entry.is_dir() else "")
        for entry in sorted(folder.iterdir(), key=natural_sort_key)
        if entry.name not in read_names and entry.name[0] != "." and entry.name.lower() not in SYSTEM_FILES
    ]
    if not ignored:
        return ""
    listed = ", ".join(ignored[:3]) + (f" and {len(ignored) - 3} more" if len(ignored) > 3 else "")
    return f"Not read in {folder}: {listed}."
