"""One pass over a source: the annotations of its scan, then all frames; in this process or in a child process."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

from vid2vid_cli.conditioning import Annotation, Conditioner, VideoFrame
from vid2vid_cli.core.forked_iterator import ForkedIterator
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.malloc import release_free_memory
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.rendering.annotation_stream import AnnotationStream
from vid2vid_cli.rendering.frames import AnnotatedFrame, OriginalFrame
from vid2vid_cli.rendering.source_frames import SourceFrames


class AnnotationPass(Protocol):
    """Annotates the frames of a scan, then yields all frames. It is used once."""

    def scan(self) -> Iterator[tuple[Annotation, ...]]:
        """Yield the annotations of the frames of the scan."""

    def annotate(self) -> Generator[AnnotatedFrame, None, None]:
        """Yield every frame with its annotations."""

    def close(self) -> None:
        """Release the detectors."""


class LocalAnnotationPass:
    """An AnnotationPass in the calling thread; a few frames are decoded ahead by another one.

    It is in no reference cycle: see AnnotationStream. `windows`: the frames of the scan. `conditioners`,
    `window_conditioners`: bound to the whole video, and to all windows but the first.
    """

    def __init__(
        self,
        frames: SourceFrames,
        windows: Sequence[range],
        conditioners: Sequence[Conditioner],
        window_conditioners: Sequence[Conditioner],
        *,
        keeps_originals: bool,
    ) -> None:
        self._frames, self._windows = frames, windows
        self._window_conditioners, self._keeps_originals = window_conditioners, keeps_originals
        self._stream = AnnotationStream(conditioners)
        self._scanned: deque[tuple[Annotation, ...]] = deque()
        """The annotations of the first window, for `annotate`."""

    def scan(self) -> Iterator[tuple[Annotation, ...]]:
        """As in AnnotationPass."""
        first, *others = self._windows
        with closing(prefetch(self._frames.decoded_reader, depth=4)) as images:
            frames = self._frames.mark_cuts(map(self._frames.reduce, images), self._frames.decoded_reader)
            for annotations in islice(self._stream.annotate(frames), len(first)):
                self._scanned.append(annotations)
                yield annotations
        if others:
            stream = AnnotationStream(self._window_conditioners)
            with closing(stream), closing(prefetch(self._frames.read_windows(others), depth=4)) as window_frames:
                yield from stream.annotate(window_frames)
            release_free_memory()  # of these detectors: 110 MiB with a body

    def annotate(self) -> Generator[AnnotatedFrame, None, None]:
        """As in AnnotationPass. Frames that `scan` has annotated in this order are only decoded again."""
        pending_frames: deque[VideoFrame] = deque()
        full_images: deque[ImageArray] = deque()
        num_read = self._stream.num_read
        with closing(self), closing(prefetch(self._frames.decoded_reader, depth=4)) as decoded_frames:

            def reduce_frames() -> Iterator[ImageArray]:
                for image in decoded_frames:
                    full_images.append(image)
                    yield self._frames.reduce(image)

            def queue_frames() -> Iterator[VideoFrame]:
                for frame in self._frames.mark_cuts(reduce_frames(), self._frames.decoded_reader):
                    pending_frames.append(frame)
                    yield frame

            frames = enumerate(queue_frames())
            unread_frames = (frame for index, frame in frames if index >= num_read)
            scanned = (self._scanned.popleft() for _ in range(len(self._scanned)))
            for annotations in chain(scanned, self._stream.annotate(unread_frames)):
                if not pending_frames:
                    next(frames)
                frame, full_image = pending_frames.popleft(), full_images.popleft()
                original = OriginalFrame(full_image, annotations) if self._keeps_originals else None
                yield AnnotatedFrame(frame.rgb, frame.is_cut, annotations, original=original)

    def close(self) -> None:
        """Release the detectors."""
        self._stream.close()


@dataclass(frozen=True)
class _Message:
    """An item from the child process, and the sentences for the user that it has collected so far."""

    item: tuple[Annotation, ...] | AnnotatedFrame | None
    """None: the end of the scan."""
    sentences: tuple[tuple[str, ...], ...]


class ForkedAnnotationPass:
    """An AnnotationPass in a child process, which takes no time of this process's Python code, and the reverse.

    `annotation_pass` is used in the child process only. `sentences`: lists for the user that annotating appends to.
    Needs `can_fork`.
    """

    def __init__(self, annotation_pass: AnnotationPass, path: Path, sentences: Sequence[list[str]]) -> None:
        self._sentences = sentences

        def iterate() -> Iterator[_Message]:
            for item in chain(annotation_pass.scan(), [None], annotation_pass.annotate()):
                yield _Message(item, tuple(map(tuple, sentences)))

        self._process = ForkedIterator(iterate, f"The process that annotates {path}")
        self._messages = iter(self._process)

    def scan(self) -> Iterator[tuple[Annotation, ...]]:
        """As in AnnotationPass."""
        while isinstance(annotations := self._receive(), tuple):
            yield annotations

    def annotate(self) -> Generator[AnnotatedFrame, None, None]:
        """As in AnnotationPass."""
        with closing(self):
            while isinstance(frame := self._receive(), AnnotatedFrame):
                yield frame

    def close(self) -> None:
        """End the child process."""
        self._process.close()

    def _receive(self) -> tuple[Annotation, ...] | AnnotatedFrame | None:
        """The next item; None at the end of the scan and of the frames."""
        message = next(self._messages, None)
        if message is None:
            return None
        for own, received in zip(self._sentences, message.sentences, strict=True):
            own[:] = received
        return message.item
