"""`preview.mp4`, drawn from frames and annotations as they come: nothing need be read again from disk."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.dataset_builder.job import Job
from vid2vid_cli.dataset_builder.previews import Look, preview_writer
from vid2vid_cli.processes.priority import give_way
from vid2vid_cli.processes.worker_process import Beside, Kept

Frame = NDArray[np.uint8]
DEPTH = 8
"""Frames that may wait to be drawn."""
STARTING = 64
"""Reduced frames that may wait for the process that draws them to come up, a second or so."""


class Seen(NamedTuple):
    """A frame, the number of its shot, and what each conditioner found on it."""

    frame: Frame
    shot: int
    annotations: tuple[Annotation, ...]


class Artist(Protocol):
    """Draws and encodes, here or elsewhere."""

    def take(self, seen: Seen) -> object:
        """The next frame, already reduced. Raises what went wrong with any so far."""

    def finish(self) -> object:
        """Wait until the file is whole. Raises as `take`."""

    def drop(self) -> object:
        """Leave no file."""


class Easel:
    """Draws and encodes where it is. Made and used in one thread or in one after the other."""

    def __init__(self, path: Path, job: Job) -> None:
        self._look = Look(job)
        self._writer = preview_writer(job, path).__enter__()

    def take(self, seen: Seen) -> None:
        """The next frame, as `Look.shown` reduced it. Raises what a plugin raises, and DiskFullError and the like."""
        self._writer.write(self._look.side_by_side(*seen))

    def finish(self) -> None:
        """Write the end of the file."""
        self._writer.__exit__(None, None, None)

    def drop(self) -> None:
        """Leave no file."""
        self._writer.__exit__(InterruptedError, InterruptedError(), None)


class DistantEasel:
    """The same in the process beside this one; `DEPTH` frames may be on their way."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._going: deque[Future[None]] = deque()

    def take(self, seen: Seen) -> None:
        """As of `Easel`, a few frames late."""
        self._going.append(self._kept.call("take", seen))
        while len(self._going) > DEPTH or (self._going and self._going[0].done()):
            self._going.popleft().result()

    def finish(self) -> None:
        """As of `Easel`."""
        while self._going:
            self._going.popleft().result()
        self._kept.call("finish").result()

    def drop(self) -> None:
        """As of `Easel`."""
        self._kept.call("drop").result()


class LivePreview:
    """Takes what a `prepare` that began anew sees, from several threads; one of its own has it drawn and encoded.

    By the process `beside` where there is one that can, else by that thread. As a context manager it lets go of
    everything where `finish` was not reached. Errors come out of `finish`.
    """

    def __init__(self, path: Path, job: Job, beside: Beside | None = None) -> None:
        self._job, self._path, self._beside = job, path, beside
        self._look = Look(job)
        self._line: queue.Queue[Seen | None] = queue.Queue(maxsize=DEPTH if beside is None else STARTING)
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
        return Meeting(len(self._job.conditioners), self._line.put, self._look.shown)

    def finish(self) -> None:
        """Wait until the file is whole. Raises DiskFullError, PermissionDeniedError, and what a plugin raises."""
        self._end()
        if self._error is not None:
            raise self._error

    def _end(self) -> None:
        if self._thread.is_alive():
            self._line.put(None)
            self._thread.join()

    def _artist(self) -> Artist:
        """Elsewhere if that is possible: a conditioner may be defined where the other process cannot find it."""
        if self._beside is not None:
            with suppress(Exception):  # whatever it is, it can be done here
                kept = self._beside.keep(Easel, self._path, self._job)
                kept.made.result()
                return DistantEasel(kept)
        return Easel(self._path, self._job)

    def _work(self) -> None:
        give_way()
        line = iter(self._line.get, None)
        try:
            artist = self._artist()
            try:
                for seen in line:
                    artist.take(seen)
            except BaseException:
                artist.drop()
                raise
            artist.drop() if self._dropped else artist.finish()
        except BaseException as error:
            self._error = error
            deque(line, maxlen=0)  # nobody who brings more waits for a thread that has ended


class Meeting:
    """Brings each frame of a video together with what every conditioner found on it, whoever is first."""

    def __init__(
        self, conditioners: int, passed_on: Callable[[Seen], None], reduced: Callable[[Frame], Frame] = np.asarray
    ) -> None:
        self._passed_on, self._reduced = passed_on, reduced
        self._frames: deque[tuple[Frame, int]] = deque()
        self._found: list[deque[Annotation]] = [deque() for _ in range(conditioners)]
        self._lock = threading.Lock()

    def frame(self, frame: Frame, shot: int) -> None:
        """The next frame, of the shot of that number."""
        small = self._reduced(frame)
        with self._lock:
            self._frames.append((small, shot))
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
