"""Writes the frames of a clip to disk."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from pathlib import Path

from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.data.chunk_store import CHUNK_FRAMES, ChunkStore, PendingChunks, WriterPool, create_folder
from vid2vid_cli.data.manifest import FrameFormat, frame_file_name
from vid2vid_cli.media.images import save_jpeg, save_png


class FrameWriter:
    """Writes the frames of one clip in chunks; those that begin at `complete_starts` are on the disk already."""

    def __init__(
        self,
        folder: Path,
        chunk_store: ChunkStore,
        pool: WriterPool,
        *,
        complete_starts: Collection[int] = (),
        frame_format: FrameFormat = "png",
    ) -> None:
        self._folder, self._pool, self._format = folder, pool, frame_format
        self._complete_starts = complete_starts
        self._pending_chunks = PendingChunks(chunk_store, pool)
        self._pending_writes: list[tuple[Path, Future[None]]] = []
        self.num_frames = 0
        """Frames added so far."""
        create_folder(folder)

    def add(self, frame: UInt8Array) -> None:
        """Add the next frame, (h, w, 3) uint8 RGB. Raises the errors of this write or of earlier ones."""
        if self.num_frames - self.num_frames % CHUNK_FRAMES not in self._complete_starts:
            path = self._folder / frame_file_name(self.num_frames, self._format)
            save = save_png if self._format == "png" else save_jpeg
            self._pending_writes.append((path, self._pool.submit(save, path, frame)))
        self.num_frames += 1
        self._pending_chunks.flush(wait=False)
        if self.num_frames % CHUNK_FRAMES == 0:
            self._flush_chunk()

    def finish(self) -> None:
        """Wait until all frames are on disk and their chunks are complete."""
        self._flush_chunk()
        self._pending_chunks.flush(wait=True)

    def _flush_chunk(self) -> None:
        if self._pending_writes:
            first_index = self.num_frames - len(self._pending_writes)
            self._pending_chunks.add(first_index, self.num_frames, {}, self._pending_writes)
        self._pending_writes = []
