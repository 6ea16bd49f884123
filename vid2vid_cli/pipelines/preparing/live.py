"""`preview.mp4`, drawn from frames and annotations as they come: nothing need be read again from disk."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.pipelines.preparing.job import Job
from vid2vid_cli.pipelines.preparing.looks import Look, preview_writer

Frame = NDArray[np.uint8]
DEPTH = 8
"""Frames that may wait to be drawn."""


class Seen(NamedTuple):
    """A frame, the number of its shot, and what each conditioner found on it."""

    frame: Frame
    shot: int
    annotations: tuple[Annotation, ...]


class LivePreview:
    """Takes what a `prepare` that began anew sees, from several threads; draws and encodes in one of its own.

    As a context manager it lets go of everything where `finish` was not reached. Errors come out of `finish`.
    """

    def __init__(self, path: Path, job: Job) -> None:
        self._job, self._path = job, path
        self._line: queue.Queue[Seen | None] = queue.Queue(maxsize=DEPTH)
        self._dropped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="preview", daemon=True)

    def __enter__(self) -> LivePreview:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dropped = True
        self._end()

    def clip(self) -> Meeting:
        """Where the frames and annotations of the next video meet."""
        return Meeting(len(self._job.conditioners), self._line.put)

    def finish(self) -> None:
        """Wait until the file is whole. Raises DiskFullError, PermissionDeniedError, and what a plugin raises."""
        self._end()
        if self._error is not None:
            raise self._error

    def _end(self) -> None:
        if self._thread.is_alive():
            self._line.put(None)
            self._thread.join()

    def _work(self) -> None:
        line = iter(self._line.get, None)
        try:
            look = Look(self._job)
            with preview_writer(self._job, self._path) as writer:
                for seen in line:
                    writer.write(look.side_by_side(*seen))
                if self._dropped:
                    raise InterruptedError  # out of the writer, which then leaves no file
        except BaseException as error:
            self._error = error
            deque(line, maxlen=0)  # nobody who brings more waits for a thread that has ended


class Meeting:
    """Brings each frame of a video together with what every conditioner found on it, whoever is first."""

    def __init__(self, conditioners: int, passed_on: Callable[[Seen], None]) -> None:
        self._passed_on = passed_on
        self._frames: deque[tuple[Frame, int]] = deque()
        self._found: list[deque[Annotation]] = [deque() for _ in range(conditioners)]
        self._lock = threading.Lock()

    def frame(self, frame: Frame, shot: int) -> None:
        """The next frame, of the shot of that number."""
        with self._lock:
            self._frames.append((frame, shot))
            self._pass_on()

    def found_by(self, conditioner: int) -> Callable[[Annotation], None]:
        """What takes the next annotation of a conditioner."""
        return partial(self._take, self._found[conditioner])

    def _take(self, line: deque[Annotation], annotation: Annotation) -> None:
        with self._lock:
            line.append(annotation)
            self._pass_on()

    def _pass_on(self) -> None:
        """Under the lock, so that frames stay in order; waits while too many wait to be drawn."""
        while self._frames and all(self._found):
            frame, shot = self._frames.popleft()
            self._passed_on(Seen(frame, shot, tuple(line.popleft() for line in self._found)))
