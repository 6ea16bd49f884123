"""Unfinished streams of a clip, saved part by part, and the small pool that writes their pictures.

A stream (the frames, or what one conditioner found) is cut into parts of `PART` frames. A part counts once its file is
there under its final name, and that file is written last: whatever kills the process, at most one part is lost.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.media.files import write_whole
from vid2vid_cli.media.os_errors import writing_failed
from vid2vid_cli.processes.priority import give_way
from vid2vid_cli.processes.worker_process import Beside

PART = 48
Array = NDArray[Any]
Save = Callable[[Path, Array], None]


class Parts:
    """The part files of one stream, in a folder of their own: `000048-000096.npz` holds frames 48 to 95."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def full(self) -> int:
        """How many full parts there are from the beginning without a gap."""
        count = 0
        while self._path(count * PART, (count + 1) * PART).is_file():
            count += 1
        return count

    def save(self, first: int, last: int, arrays: Mapping[str, Array]) -> None:
        """Note that frames first to last - 1 are safe, with their arrays. Raises as `save_arrays`."""
        save_arrays(self._path(first, last), arrays)

    def load(self, frames: int) -> list[tuple[int, dict[str, Array]]]:
        """(first frame, arrays) of the parts that make up a stream of that many frames, in order."""
        loaded = []
        for first in range(0, frames, PART):
            with np.load(self._path(first, min(first + PART, frames))) as file:
                loaded.append((first, dict(file)))
        return loaded

    def _path(self, first: int, last: int) -> Path:
        return self.folder / f"{first:06d}-{last:06d}.npz"


def make_folder(path: Path) -> None:
    """Make a folder and its parents. Raises PermissionDeniedError, DiskFullError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_failed(path, error) from error


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays as .npz, whole or not at all. Raises DiskFullError, PermissionDeniedError."""

    def write(unfinished: Path) -> None:
        with unfinished.open("wb") as file:  # given a path, numpy would add a suffix
            np.savez(file, **arrays)  # type: ignore[arg-type]

    write_whole(path, write)


class PartQueue:
    """Parts whose pictures are still being written; each is noted as safe once they are, in order."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._waiting: deque[tuple[int, int, Mapping[str, Array], list[Future[None]]]] = deque()

    def add(self, first: int, last: int, arrays: Mapping[str, Array], pictures: list[Future[None]]) -> None:
        """Note frames first to last - 1 as safe as soon as their pictures are. Raises what went wrong with any."""
        self._waiting.append((first, last, arrays, pictures))
        self.settle(wait=len(self._waiting) > 2)

    def settle(self, *, wait: bool) -> None:
        """Note what has become safe; with `wait`, wait for everything. Raises as `add`."""
        while self._waiting:
            first, last, arrays, pictures = self._waiting[0]
            if not wait and not all(picture.done() for picture in pictures):
                return
            for picture in pictures:
                picture.result()
            self._parts.save(first, last, arrays)
            self._waiting.popleft()


class WriterPool:
    """Threads that write pictures, half as many as there are cores, 2 to 8; or the process `beside`, once it is there.

    A few pictures for each may wait, so that memory stays bounded.
    """

    def __init__(self, beside: Beside | None = None) -> None:
        self._beside = beside
        threads = max(2, min((os.cpu_count() or 2) // 2, 8))
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="writer", initializer=give_way)
        self._room = threading.BoundedSemaphore(6 * threads)

    def submit(self, save: Save, path: Path, array: Array) -> Future[None]:
        """Have `save(path, array)` called; waits while the pool is full."""
        self._room.acquire()
        try:
            if self._beside is not None and self._beside.ready:
                future = self._beside.call(save, path, array)
            else:
                future = self._threads.submit(save, path, array)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future

    def __enter__(self) -> WriterPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=kind is not None)
