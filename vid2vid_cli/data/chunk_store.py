"""Streams of a clip stored in chunks, so that an interrupted `prepare` can continue, and the threads that write images.

A stream (the frames, or the annotations of one conditioner) consists of chunks of CHUNK_FRAMES frames. A chunk is
complete if its file exists under its final name. That file is written last, so an interruption loses one chunk at most.
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

from vid2vid_cli.media.files import atomic_write
from vid2vid_cli.media.os_errors import write_error

CHUNK_FRAMES = 48
MAX_WRITER_THREADS = 8
QUEUED_IMAGES_PER_THREAD = 6
"""Images that wait or are being written, per thread; bounds the memory."""
Array = NDArray[Any]
SaveFunction = Callable[[Path, Array], None]


class ChunkStore:
    """The chunk files of one stream in a folder: `000048-000096.npz` contains frames 48 to 95."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def count_complete(self) -> int:
        """Number of full chunks from the start of the stream without a gap."""
        num_complete = 0
        while self._chunk_path(num_complete * CHUNK_FRAMES, (num_complete + 1) * CHUNK_FRAMES).is_file():
            num_complete += 1
        return num_complete

    def save_chunk(self, start: int, stop: int, arrays: Mapping[str, Array]) -> None:
        """Save the arrays of frames start to stop - 1 and mark the chunk as complete. Raises as `save_arrays`."""
        save_arrays(self._chunk_path(start, stop), arrays)

    def load_chunks(self, num_frames: int) -> list[tuple[int, dict[str, Array]]]:
        """(first frame, arrays) of each chunk of a stream of `num_frames` frames, in order."""
        chunks = []
        for start in range(0, num_frames, CHUNK_FRAMES):
            with np.load(self._chunk_path(start, min(start + CHUNK_FRAMES, num_frames))) as file:
                chunks.append((start, dict(file)))
        return chunks

    def _chunk_path(self, start: int, stop: int) -> Path:
        return self.folder / f"{start:06d}-{stop:06d}.npz"


def create_folder(path: Path) -> None:
    """Create a folder and its parents. Raises PermissionDeniedError, DiskFullError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays as .npz with an atomic write. Raises DiskFullError, PermissionDeniedError."""

    def write(temp_path: Path) -> None:
        with temp_path.open("wb") as file:  # numpy adds a suffix to a path, but not to a file
            np.savez(file, **arrays)  # type: ignore[arg-type]

    atomic_write(path, write)


class PendingChunks:
    """Chunks whose images are still being written; each is saved after its images, in order."""

    def __init__(self, chunk_store: ChunkStore) -> None:
        self._chunk_store = chunk_store
        self._pending: deque[tuple[int, int, Mapping[str, Array], list[Future[None]]]] = deque()

    def add(self, start: int, stop: int, arrays: Mapping[str, Array], image_writes: list[Future[None]]) -> None:
        """Save frames start to stop - 1 once their images are written. Raises the errors of finished writes."""
        self._pending.append((start, stop, arrays, image_writes))
        self.flush(wait=len(self._pending) > 2)

    def flush(self, *, wait: bool) -> None:
        """Save the chunks whose images are written; with `wait`, wait for all of them. Raises as `add`."""
        while self._pending:
            start, stop, arrays, image_writes = self._pending[0]
            if not wait and not all(write.done() for write in image_writes):
                return
            for write in image_writes:
                write.result()
            self._chunk_store.save_chunk(start, stop, arrays)
            self._pending.popleft()


class WriterPool:
    """Threads that write images: half as many as cores, 2 to MAX_WRITER_THREADS. The queue is bounded.

    Threads are enough, because encoding an image releases the Python lock.
    """

    def __init__(self) -> None:
        num_threads = max(2, min((os.cpu_count() or 2) // 2, MAX_WRITER_THREADS))
        self._executor = ThreadPoolExecutor(num_threads, thread_name_prefix="image-writer")
        self._free_slots = threading.BoundedSemaphore(QUEUED_IMAGES_PER_THREAD * num_threads)

    def submit(self, save: SaveFunction, path: Path, array: Array) -> Future[None]:
        """Call `save(path, array)` in a thread; blocks while the queue is full."""
        self._free_slots.acquire()
        try:
            future = self._executor.submit(save, path, array)
        except BaseException:
            self._free_slots.release()
            raise
        future.add_done_callback(lambda _: self._free_slots.release())
        return future

    def __enter__(self) -> WriterPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=kind is not None)
