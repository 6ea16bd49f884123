"""The frames of a clip on their way to disk."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.data.chunk_store import PART, PartQueue, Parts, WriterPool, make_folder
from vid2vid_cli.media.images import save_jpeg, save_png

Format = Literal["png", "jpg"]


class FrameWriter:
    """Writes the frames of one clip, part by part, from frame `start` (a multiple of `PART`) on."""

    def __init__(self, folder: Path, parts: Parts, pool: WriterPool, start: int = 0, form: Format = "png") -> None:
        self._folder, self._pool, self._format = folder, pool, form
        self._queue = PartQueue(parts)
        self._writing: list[Future[None]] = []
        self.written = start
        """Frames taken so far, those of earlier runs included."""
        make_folder(folder)

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Take the next frame, (h, w, 3) uint8 RGB. Raises DiskFullError, PermissionDeniedError, perhaps late."""
        path = self._folder / f"{self.written:06d}.{self._format}"
        self._writing.append(self._pool.submit(save_png if self._format == "png" else save_jpeg, path, frame))
        self.written += 1
        self._queue.settle(wait=False)
        if self.written % PART == 0:
            self._close()

    def finish(self) -> None:
        """Wait until every frame is on disk, and note that it is."""
        self._close()
        self._queue.settle(wait=True)

    def _close(self) -> None:
        if self._writing:
            count = len(self._writing)
            self._queue.add(self.written - count, self.written, {"frames": np.array(count)}, self._writing)
        self._writing = []
