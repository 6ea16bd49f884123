"""Runs one conditioner in its own thread."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from vid2vid_cli.conditioning import FRAME_CONDITIONER, Conditioner, VideoFrame
from vid2vid_cli.data.annotations import AnnotationWriter

MAX_QUEUED_FRAMES = 8
"""Frames that wait for a conditioner; bounds the memory."""
ABORT_TIMEOUT = 10.0
"""Seconds to wait for the thread of an aborted worker."""


class AnnotationWorker:
    """A thread that annotates the frames passed to `feed` and adds the annotations to a writer.

    `first_index` is the index of the first frame. Annotations of frames before the writer's start index are discarded:
    these frames only warm up trackers and smoothing when a run continues. Workers of different `worker_index` that run
    on one core run on different cores.
    """

    def __init__(
        self, conditioner: Conditioner, writer: AnnotationWriter, first_index: int, *, worker_index: int = 0
    ) -> None:
        self._conditioner, self._writer = conditioner, writer
        self._first_index, self._write_start = first_index, writer.num_written
        self._queue: queue.Queue[VideoFrame | None] = queue.Queue(maxsize=MAX_QUEUED_FRAMES)
        self._stop_event = threading.Event()
        self._error: BaseException | None = None
        self._core_index = worker_index if conditioner.runs_on_one_core else None
        self._thread = threading.Thread(target=self._run, name=conditioner.spec.name, daemon=True)
        self._thread.start()

    @property
    def num_written(self) -> int:
        """Number of annotations passed to the writer, those of earlier runs included."""
        return self._writer.num_written

    def feed(self, frame: VideoFrame | None) -> None:
        """Queue the next frame, or None at the end; blocks while the queue is full. Raises an error of the thread."""
        while True:
            if not self._thread.is_alive():
                self._raise_error()
                raise RuntimeError("the annotations ended before the frames")
            try:
                self._queue.put(frame, timeout=0.1)
                break
            except queue.Full:
                continue

    def finish(self, on_wait: Callable[[], None]) -> None:
        """Wait until all annotations are written; calls `on_wait` repeatedly. Raises an error of the thread."""
        self.feed(None)
        while self._thread.is_alive():
            self._thread.join(timeout=0.2)
            on_wait()
        self._raise_error()

    def abort(self) -> None:
        """Stop at the next frame; errors are ignored."""
        self._stop_event.set()
        self._thread.join(timeout=ABORT_TIMEOUT)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _iterate_frames(self) -> Iterator[VideoFrame]:
        while not self._stop_event.is_set():
            try:
                frame = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if frame is None:
                return
            yield frame

    def _run(self) -> None:
        try:
            if self._core_index is not None:
                bind_thread_to_core(self._core_index)
            frame_index = self._first_index
            for annotation in self._conditioner.annotate(self._iterate_frames()):
                if self._conditioner.spec.name == FRAME_CONDITIONER:
                    annotation = replace(annotation, images={})  # the dataset has the frames already
                if frame_index >= self._write_start:
                    self._writer.add(annotation)
                frame_index += 1
            if self._stop_event.is_set():
                return
            self._writer.finish()
        except BaseException as error:
            self._error = error


def bind_thread_to_core(index: int) -> None:
    """Run this thread, and threads that it starts, on one core of those of the main thread; Linux only."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(os.getpid()))
        os.sched_setaffinity(threading.get_native_id(), {cores[-1 - index % len(cores)]})
