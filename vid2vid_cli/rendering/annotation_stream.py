"""Annotation of a video in parts: the scan annotates its first frames, rendering the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import tee

from vid2vid_cli.conditioning import Annotation, Conditioner, VideoFrame


class AnnotationStream:
    """The conditioners of a video, which keep their state from one call of `annotate` to the next."""

    def __init__(self, conditioners: Sequence[Conditioner]) -> None:
        """`conditioners`: bound to the video."""
        self.conditioners = tuple(conditioners)
        self.num_read = 0
        """Frames that the conditioners have read: those that are annotated, and those that they read ahead."""
        self._frames: Iterator[VideoFrame] = iter(())
        copies = tee(self._read_frames(), len(self.conditioners))
        self._streams = [c.annotate(copy) for c, copy in zip(self.conditioners, copies, strict=True)]

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[tuple[Annotation, ...]]:
        """Yield the annotations of the next frames, one per conditioner.

        `frames`: those from number `num_read` on, to the end of the video, unless this iterator is left before.
        """
        self._frames = iter(frames)
        yield from zip(*self._streams, strict=True)

    def close(self) -> None:
        """Release the detectors."""
        for stream in self._streams:
            close = getattr(stream, "close", None)
            if close is not None:
                close()

    def _read_frames(self) -> Iterator[VideoFrame]:
        while (frame := next(self._frames, None)) is not None:
            self.num_read += 1
            yield frame
