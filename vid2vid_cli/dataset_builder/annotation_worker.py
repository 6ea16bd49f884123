"""A conditioner at work in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner
from vid2vid_cli.core.errors import PluginError
from vid2vid_cli.data.annotations import AnnotationWriter
from vid2vid_cli.processes.priority import keep_to_one_core

Frame = NDArray[np.uint8]
DEPTH = 8
"""Frames that may wait for a conditioner."""


class Lane:
    """Frames in by `feed`, annotations straight to their writer, and then to `found`.

    `first` is the index of the first frame it will be fed; what it finds before the writer's beginning only warms it.
    `alone`: there is no other lane, so that one core may be its own.
    """

    def __init__(
        self,
        conditioner: Conditioner,
        writer: AnnotationWriter,
        first: int,
        found: Callable[[Annotation], None] | None = None,
        *,
        alone: bool,
    ) -> None:
        self._conditioner, self._writer, self._found, self._alone = conditioner, writer, found, alone
        self._first, self._fed, self._start = first, first, writer.written
        self._line: queue.Queue[Frame | None] = queue.Queue(maxsize=DEPTH)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=conditioner.spec.name, daemon=True)
        self._thread.start()

    @property
    def written(self) -> int:
        """Annotations that came through."""
        return self._writer.written

    def feed(self, frame: Frame | None) -> None:
        """The next frame, or None for the end; waits while the lane is full. Raises what stopped the lane."""
        while True:
            if not self._thread.is_alive():
                self._check()
                raise self._miscounted()
            try:
                self._line.put(frame, timeout=0.1)
                break
            except queue.Full:
                continue
        self._fed += frame is not None

    def finish(self, waiting: Callable[[], None]) -> None:
        """Wait until the last annotation is written, calling `waiting` now and then. Raises what went wrong."""
        self.feed(None)
        while self._thread.is_alive():
            self._thread.join(timeout=0.2)
            waiting()
        self._check()

    def abort(self) -> None:
        """Stop at the next frame; errors no longer matter."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _miscounted(self) -> PluginError:
        return PluginError(
            f"The conditioner {self._conditioner.spec.name} did not give one annotation for each frame.",
            "This is a fault of the plugin; tell its author.",
        )

    def _frames(self) -> Iterator[Frame]:
        while not self._stop.is_set():
            try:
                frame = self._line.get(timeout=0.1)
            except queue.Empty:
                continue
            if frame is None:
                return
            yield frame

    def _work(self) -> None:
        try:
            if self._alone and self._conditioner.serial:
                keep_to_one_core()
            given = self._first
            for annotation in self._conditioner.annotate(self._frames()):
                if given >= self._start:
                    self._writer.add(annotation)
                    if self._found is not None:
                        self._found(annotation)
                given += 1
            if self._stop.is_set():
                return
            if given != self._fed:
                raise self._miscounted()
            self._writer.finish()
        except BaseException as error:
            self._error = error
