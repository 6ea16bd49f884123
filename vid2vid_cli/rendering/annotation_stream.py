"""Annotation of a video in parts: the scan annotates its first frames, rendering the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import tee

from vid2vid_cli.conditioning import Annotation, Conditioner, VideoFrame


class _FrameQueue:
    """The frames that the conditioners of an AnnotationStream read."""

    def __init__(self) -> None:
        self.frames: Iterator[VideoFrame] = iter(())
        self.num_read = 0

    def read(self) -> Iterator[VideoFrame]:
        while (frame := next(self.frames, None)) is not None:
            self.num_read += 1
            yield frame


class AnnotationStream:
    """The conditioners of a video, which keep their state from one call of `annotate` to the next.

    It is in no reference cycle, so that one that is not closed releases its detectors when it is dropped. The garbage
    collector would do so at any time: MediaPipe waits forever if that is within another call of MediaPipe.
    """

    def __init__(self, conditioners: Sequence[Conditioner]) -> None:
        """`conditioners`: bound to the video."""
        self.conditioners = tuple(conditioners)
        self._queue = _FrameQueue()
        copies = tee(self._queue.read(), len(self.conditioners))
        self._streams = [c.annotate(copy) for c, copy in zip(self.conditioners, copies, strict=True)]

    @property
    def num_read(self) -> int:
        """Frames that the conditioners have read: those that are annotated, and those that they read ahead."""
        return self._queue.num_read

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[tuple[Annotation, ...]]:
        """Yield the annotations of the next frames, one per conditioner.

        `frames`: those from number `num_read` on, to the end of the video, unless this iterator is left before.
        """
        self._queue.frames = iter(frames)
        try:
            yield from zip(*self._streams, strict=True)
        finally:
            self._queue.frames = iter(())

    def close(self) -> None:
        """Release the detectors."""
        for stream in self._streams:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
