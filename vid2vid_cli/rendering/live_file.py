"""A video file of live frames, each as long as until the next one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT, VideoWriter


class LiveFile:
    """Writes frames at a constant rate: the last frame is repeated until the next one was captured.

    A context manager; the file appears at the end of the block, if at least one frame was shown. Raises the errors of
    `VideoWriter`.
    """

    def __init__(self, path: Path, fps: Fraction) -> None:
        self._fps = fps
        self._writer = VideoWriter(path, fps, comment=SYNTHETIC_COMMENT)
        self._newest: ImageArray | None = None
        self._start_time = 0.0

    def __enter__(self) -> LiveFile:
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._newest is not None and kind is None:
            self._writer.write(self._newest)
        self._writer.__exit__(kind, error, trace)

    def show(self, image: ImageArray, capture_time: float) -> None:
        """Write the previous frame up to the capture time of this one, in seconds."""
        if self._newest is None:
            self._start_time = capture_time
        else:
            end_index = round((capture_time - self._start_time) * self._fps)
            for _ in range(self._writer.num_frames, end_index):
                self._writer.write(self._newest)
        self._newest = image
