"""Writes the frames of a clip to disk."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import numpy as np

from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.data.chunk_store import CHUNK_FRAMES, ChunkStore, PendingChunks, WriterPool, create_folder
from vid2vid_cli.data.manifest import FrameFormat, frame_file_name
from vid2vid_cli.media.images import save_jpeg, save_png


class FrameWriter:
    """Writes the frames of one clip in chunks, from frame `start_index`, a multiple of CHUNK_FRAMES."""

    def __init__(
        self,
        folder: Path,
        chunk_store: ChunkStore,
        pool: WriterPool,
        *,
        start_index: int = 0,
        frame_format: FrameFormat = "png",
    ) -> None:
        self._folder, self._pool, self._format = folder, pool, frame_format
        self._pending_chunks = PendingChunks(chunk_store)
        self._pending_writes: list[Future[None]] = []
        self.num_written = start_index
        """Frames added so far, those of earlier runs included."""
        create_folder(folder)

    def add(self, frame: UInt8Array) -> None:
        """Add the next frame, (h, w, 3) uint8 RGB. Raises the errors of this write or of earlier ones."""
        path = self._folder / frame_file_name(self.num_written, self._format)
        self._pending_writes.append(self._pool.submit(save_png if self._format == "png" else save_jpeg, path, frame))
        self.num_written += 1
        self._pending_chunks.flush(wait=False)
        if self.num_written % CHUNK_FRAMES == 0:
            self._flush_chunk()

    def finish(self) -> None:
        """Wait until all frames are on disk and their chunks are complete."""
        self._flush_chunk()
        self._pending_chunks.flush(wait=True)

    def _flush_chunk(self) -> None:
        if self._pending_writes:
            count = len(self._pending_writes)
            self._pending_chunks.add(
                self.num_written - count, self.num_written, {"num_frames": np.array(count)}, self._pending_writes
            )
        self._pending_writes = []
