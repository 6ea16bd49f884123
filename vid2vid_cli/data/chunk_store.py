"""Streams of a clip stored in chunks, so that an interrupted `prepare` can continue, and the threads that write images.

A stream (the frames, or the annotations of one conditioner) consists of chunks of CHUNK_FRAMES frames. The file of a
chunk is written after its images are flushed to the disk, and contains their checksums. An interruption or a power
failure loses a few chunks at most, and damaged chunks are recognised.
"""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.errors import DatasetError
from vid2vid_cli.data.stored_files import load_arrays, save_arrays
from vid2vid_cli.media.files import sync_files
from vid2vid_cli.media.os_errors import read_error, write_error

CHUNK_FRAMES = 48
MAX_PENDING_CHUNKS = 2
"""Chunks of a stream whose images are still being written; bounds the memory."""
MAX_WRITER_THREADS = 8
QUEUED_IMAGES_PER_THREAD = 6
"""Images that wait or are being written, per thread; bounds the memory."""
IMAGE_NAMES_KEY, CHECKSUMS_KEY = "images/names", "images/crc32"
"""Arrays of a chunk file that are not part of the stream."""
CHUNK_FILE_PATTERN = re.compile(r"(\d{6,})-(\d{6,})\.npz")
Array = NDArray[Any]
SaveFunction = Callable[[Path, Array], None]
ImageWrites = Sequence[tuple[Path, Future[None]]]
"""Images of a chunk, and the writes that may not be finished."""


@dataclass(frozen=True)
class StoredChunks:
    """The chunks of a stream that are on the disk."""

    intact: frozenset[tuple[int, int]] = frozenset()
    """(first frame, end) of the chunks that are complete."""
    damaged: tuple[Path, ...] = ()
    """Chunk files, and images of chunks, that are missing, unreadable or differ from what was written."""

    @property
    def full_starts(self) -> frozenset[int]:
        """First frames of the intact chunks with CHUNK_FRAMES frames."""
        return frozenset(start for start, stop in self.intact if stop - start == CHUNK_FRAMES)

    @property
    def num_leading_frames(self) -> int:
        """Number of frames in full chunks from the start of the stream without a gap; a multiple of CHUNK_FRAMES."""
        num_frames = 0
        while num_frames in self.full_starts:
            num_frames += CHUNK_FRAMES
        return num_frames

    def covers(self, num_frames: int) -> bool:
        """Whether all chunks of a stream of `num_frames` frames are intact."""
        return self.intact.issuperset(_chunk_ranges(num_frames))


class ChunkStore:
    """The chunk files of one stream in a folder: `000048-000096.npz` contains frames 48 to 95.

    `image_root`: the folder to which the names of the images in the chunk files are relative.
    """

    def __init__(self, folder: Path, image_root: Path) -> None:
        self.folder, self._image_root = folder, image_root

    def has_first_chunk(self) -> bool:
        """Whether there is a file of the first full chunk; it is not checked."""
        return self._chunk_path(0, CHUNK_FRAMES).is_file()

    def check(self) -> StoredChunks:
        """Read all chunk files and their images. Raises nothing: what cannot be read is damaged."""
        intact: list[tuple[int, int]] = []
        damaged: list[Path] = []
        for path in sorted(self.folder.glob("*.npz")):
            match = CHUNK_FILE_PATTERN.fullmatch(path.name)
            if match is None:
                continue
            start, stop = int(match[1]), int(match[2])
            arrays = self._read_chunk(start, stop)
            damaged_files = [path] if arrays is None else self._find_damaged_images(arrays)
            damaged += damaged_files
            intact += [] if damaged_files else [(start, stop)]
        return StoredChunks(frozenset(intact), tuple(damaged))

    def save_chunk(self, start: int, stop: int, arrays: Mapping[str, Array], images: Sequence[Path] = ()) -> None:
        """Flush the images of frames start to stop - 1 to the disk, then save the arrays, which completes the chunk.

        Each array has one entry per frame. Raises DiskFullError, PermissionDeniedError, MissingFileError.
        """
        sync_files(images)
        names = [path.relative_to(self._image_root).as_posix() for path in images]
        checksums = [_checksum(path) for path in images]
        image_arrays = {
            IMAGE_NAMES_KEY: np.array(names, dtype=str),
            CHECKSUMS_KEY: np.array(checksums, dtype=np.uint32),
        }
        save_arrays(self._chunk_path(start, stop), {**arrays, **image_arrays})

    def load_chunks(self, num_frames: int) -> list[tuple[int, dict[str, Array]]]:
        """(first frame, arrays) of each chunk of a stream of `num_frames` frames, in order. Raises DatasetError."""
        chunks = []
        for start, stop in _chunk_ranges(num_frames):
            arrays = self._read_chunk(start, stop)
            if arrays is None:
                raise DatasetError(
                    f"{self._chunk_path(start, stop)}, a part of an unfinished dataset, cannot be read.",
                    "Run the same command again; the part is made again.",
                )
            del arrays[IMAGE_NAMES_KEY], arrays[CHECKSUMS_KEY]
            chunks.append((start, arrays))
        return chunks

    def _read_chunk(self, start: int, stop: int) -> dict[str, Array] | None:
        """The arrays of a chunk file, or None if it is damaged."""
        try:
            arrays = load_arrays(self._chunk_path(start, stop))
            names, checksums = arrays[IMAGE_NAMES_KEY], arrays[CHECKSUMS_KEY]
            frame_arrays = [value for name, value in arrays.items() if name not in (IMAGE_NAMES_KEY, CHECKSUMS_KEY)]
            is_valid = len(names) == len(checksums) and all(len(value) == stop - start for value in frame_arrays)
        except Exception:  # numpy and zipfile raise a dozen classes; in all cases the chunk is made again
            return None
        return arrays if is_valid else None

    def _find_damaged_images(self, arrays: Mapping[str, Array]) -> list[Path]:
        damaged = []
        for name, checksum in zip(arrays[IMAGE_NAMES_KEY].tolist(), arrays[CHECKSUMS_KEY].tolist(), strict=True):
            path = self._image_root / name
            try:
                is_intact = path.is_file() and crc32(path.read_bytes()) == checksum
            except OSError:
                is_intact = False
            damaged += [] if is_intact else [path]
        return damaged

    def _chunk_path(self, start: int, stop: int) -> Path:
        return self.folder / f"{start:06d}-{stop:06d}.npz"


def _chunk_ranges(num_frames: int) -> list[tuple[int, int]]:
    """(first frame, end) of each chunk of a stream."""
    return [(start, min(start + CHUNK_FRAMES, num_frames)) for start in range(0, num_frames, CHUNK_FRAMES)]


def _checksum(path: Path) -> int:
    try:
        return crc32(path.read_bytes())
    except OSError as error:
        raise read_error(path, error) from error


def create_folder(path: Path) -> None:
    """Create a folder and its parents. Raises PermissionDeniedError, DiskFullError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


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

    def submit_after(self, image_writes: ImageWrites, function: Callable[[], None]) -> Future[None]:
        """Call `function` in a thread after images that were submitted before; an error of theirs is its error."""

        def call_when_written() -> None:
            # These writes are ahead in the queue, so that waiting here cannot block them.
            for _, write in image_writes:
                write.result()
            function()

        return self._executor.submit(call_when_written)

    def __enter__(self) -> WriterPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=kind is not None)


class PendingChunks:
    """Chunks whose images are still being written; threads of the pool save each of them after its images."""

    def __init__(self, chunk_store: ChunkStore, pool: WriterPool) -> None:
        self._chunk_store, self._pool = chunk_store, pool
        self._pending: deque[Future[None]] = deque()

    def add(self, start: int, stop: int, arrays: Mapping[str, Array], image_writes: ImageWrites) -> None:
        """Save frames start to stop - 1 once their images are written. Raises the errors of finished writes."""
        images = [path for path, _ in image_writes]
        save = partial(self._chunk_store.save_chunk, start, stop, arrays, images)
        self._pending.append(self._pool.submit_after(image_writes, save))
        if len(self._pending) > MAX_PENDING_CHUNKS:
            self._pending.popleft().result()

    def flush(self, *, wait: bool) -> None:
        """Raise the errors of finished writes; with `wait`, wait for all of them."""
        while self._pending and (wait or self._pending[0].done()):
            self._pending.popleft().result()
