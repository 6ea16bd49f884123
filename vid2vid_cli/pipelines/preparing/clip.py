"""One video becomes one clip: decoding, annotating and writing overlap, in bounded memory, and a kill loses little.

decoder ──► this thread ──► pool that writes the frames
                 └──► one lane per conditioner: annotate ──► pool that writes its images
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import PluginError
from vid2vid_cli.data.annotations import AnnotationWriter
from vid2vid_cli.data.frames import FrameWriter
from vid2vid_cli.data.manifest import write_json
from vid2vid_cli.data.parts import PART, Parts, WriterPool
from vid2vid_cli.engine.events import Noticed, Tell, Warned
from vid2vid_cli.media.labels import palette
from vid2vid_cli.pipelines.preparing.job import Input, Job
from vid2vid_cli.pipelines.preparing.place import Place

Frame = NDArray[np.uint8]
DEPTH = 8
"""Frames that may wait for a conditioner."""


@dataclass(frozen=True)
class ClipFiles:
    """Where a clip and its notes lie."""

    name: str
    folder: Path
    work: Path

    @staticmethod
    def of(place: Place, index: int) -> ClipFiles:
        """The files of the clip of that number."""
        name = f"{index:03d}"
        return ClipFiles(name, place.partial / "clips" / name, place.work / name)

    def parts(self, stream: str) -> Parts:
        """The part files of `frames` or of a conditioner."""
        return Parts(self.work / stream)

    def frames_if_complete(self) -> int | None:
        """How many frames the clip has, once it is complete."""
        try:
            data: Any = json.loads((self.work / "clip.json").read_text(encoding="utf-8"))
            return int(data["frames"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def done(self, conditioners: tuple[Conditioner, ...]) -> int:
        """Frames that are safe, with everything that was found on them."""
        complete = self.frames_if_complete()
        if complete is not None:
            return complete
        streams = ["frames", *(conditioner.spec.name for conditioner in conditioners)]
        return min(self.parts(stream).full() for stream in streams) * PART


def prepare_clip(job: Job, item: Input, files: ClipFiles, advanced: Callable[[int], None], tell: Tell) -> int:
    """Write the frames and annotations of one video, from where an earlier run left them; how many frames it has.

    `advanced` is told how many frames are through, `tell` what is odd about the video. On taking up, conditioners
    see one part of frames again before the first new one, so that trackers and smoothing are warm: their annotations
    may differ slightly from those of a run in one go; frames and the annotations of conditioners without memory are
    the same to the bit.
    """
    complete = files.frames_if_complete()
    if complete is not None:
        return complete
    done = files.done(job.conditioners)
    warm = max(0, done - PART)
    reader = job.reader(item)
    with WriterPool() as pool:
        frames = FrameWriter(files.folder / "frames", files.parts("frames"), pool, done, job.frame_format)
        lanes = [
            _Lane(conditioner, _writer(job, files, conditioner, pool, done), warm)
            for conditioner in job.conditioners_of(item, warm)
        ]
        try:
            with closing(job.frames(reader)) as stream:
                for index, frame in enumerate(stream):
                    if index >= done:
                        frames.add(frame)
                    if index >= warm:
                        for lane in lanes:
                            lane.feed(frame)
                    advanced(max(done, min(lane.written for lane in lanes)))
            for lane in lanes:
                lane.finish(lambda: advanced(min(lane.written for lane in lanes)))
            frames.finish()
        except BaseException:
            for lane in lanes:
                lane.abort()
            raise
    for warning in reader.warnings:
        tell(Warned(warning if str(item.path) in warning else f"{item.path}: {warning}"))
    for remark in reader.remarks:
        tell(Noticed(f"{item.path}: {remark}"))
    if frames.written:
        write_json(files.work / "clip.json", {"frames": frames.written})
    return frames.written


def _writer(job: Job, files: ClipFiles, conditioner: Conditioner, pool: WriterPool, start: int) -> AnnotationWriter:
    name = conditioner.spec.name
    labels = conditioner.spec.output == "labels"
    colours = palette({one.id: one.colour for one in conditioner.classes()})
    folder = files.folder / name
    return AnnotationWriter(folder, files.parts(name), pool, job.size, start, labels=labels, colours=colours)


class _Lane:
    """A conditioner at work in a thread of its own: frames in by `feed`, annotations straight to its writer."""

    def __init__(self, conditioner: Conditioner, writer: AnnotationWriter, first: int) -> None:
        self._conditioner, self._writer = conditioner, writer
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
            given = self._first
            for annotation in self._conditioner.annotate(self._frames()):
                if given >= self._start:
                    self._writer.add(annotation)
                given += 1
            if self._stop.is_set():
                return
            if given != self._fed:
                raise self._miscounted()
            self._writer.finish()
        except BaseException as error:
            self._error = error
