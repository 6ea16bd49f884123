"""One video becomes one clip: decoding, annotating and writing overlap, in bounded memory, and a kill loses little.

decoder ──► this thread: cuts ──► pool that writes the frames
                 ├──► one lane per conditioner: annotate ──► pool that writes its images
                 └───────────────────┴──► preview: draw and encode
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.data.annotations import AnnotationWriter
from vid2vid_cli.data.chunk_store import PART, Parts, WriterPool
from vid2vid_cli.data.frame_writer import FrameWriter
from vid2vid_cli.data.manifest import write_json
from vid2vid_cli.dataset_builder.annotation_worker import Lane
from vid2vid_cli.dataset_builder.job import Input, Job
from vid2vid_cli.dataset_builder.live_preview import LivePreview
from vid2vid_cli.dataset_builder.output_folder import Place
from vid2vid_cli.engine.events import Noticed, Tell, Warned
from vid2vid_cli.media.label_png import palette
from vid2vid_cli.media.shot_detection import CutDetector
from vid2vid_cli.processes.worker_process import Beside

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Clipped:
    """What a video has become."""

    frames: int
    cuts: tuple[int, ...]
    """Frames with which a new shot begins, in order; never 0."""

    @property
    def shots(self) -> list[tuple[int, int]]:
        """(first frame, how many) of each stretch without a cut."""
        return [(first, last - first) for first, last in pairwise((0, *self.cuts, self.frames))]


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

    def complete(self) -> Clipped | None:
        """What the video has become, once it is through."""
        try:
            data: Any = json.loads((self.work / "clip.json").read_text(encoding="utf-8"))
            return Clipped(int(data["frames"]), tuple(int(cut) for cut in data["cuts"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def done(self, conditioners: tuple[Conditioner, ...]) -> int:
        """Frames that are safe, with everything that was found on them."""
        complete = self.complete()
        if complete is not None:
            return complete.frames
        streams = ["frames", *(conditioner.spec.name for conditioner in conditioners)]
        return min(self.parts(stream).full() for stream in streams) * PART


def prepare_clip(
    job: Job,
    item: Input,
    files: ClipFiles,
    advanced: Callable[[int], None],
    tell: Tell,
    preview: LivePreview | None = None,
    beside: Beside | None = None,
) -> Clipped:
    """Write the frames and annotations of one video, from where an earlier run left them.

    `advanced` is told how many frames are through, `tell` what is odd about the video, and `preview`, which must see
    every frame, what was found. The process `beside` writes the pictures where there is one. On taking up,
    conditioners see one part of frames again before the first new one, so that trackers and smoothing are warm: their
    annotations may differ slightly from those of a run in one go; cuts, frames and the annotations of conditioners
    without memory are the same to the bit.
    """
    complete = files.complete()
    if complete is not None:
        return complete
    done = files.done(job.conditioners)
    reader = job.reader(item)
    with WriterPool(beside) as pool:
        work = _Work(job, item, files, done, pool, preview)
        try:
            with closing(job.frames(reader)) as stream:
                for frame in stream:
                    work.take(frame)
                    advanced(work.through)
            work.finish(lambda: advanced(work.through))
        except BaseException:
            work.abort()
            raise
    for warning in reader.warnings:
        tell(Warned(warning if str(item.path) in warning else f"{item.path}: {warning}"))
    for remark in reader.remarks:
        tell(Noticed(f"{item.path}: {remark}"))
    result = Clipped(work.frames.written, tuple(work.cuts))
    if result.frames:
        write_json(files.work / "clip.json", {"frames": result.frames, "cuts": result.cuts})
    return result


class _Work:
    """Everything that a frame of a video goes to."""

    def __init__(
        self, job: Job, item: Input, files: ClipFiles, done: int, pool: WriterPool, preview: LivePreview | None
    ) -> None:
        self.frames = FrameWriter(files.folder / "frames", files.parts("frames"), pool, done, job.frame_format)
        self.cuts: list[int] = []
        self._done, self._warm, self._taken = done, max(0, done - PART), 0
        self._begins_shot = CutDetector() if job.is_searched(item) else None
        self._meeting = preview.clip() if preview is not None else None
        self._lanes = [
            Lane(
                conditioner,
                _writer(job, files, conditioner, pool, done),
                self._warm,
                self._meeting.found_by(number) if self._meeting is not None else None,
                alone=len(job.conditioners) == 1,
            )
            for number, conditioner in enumerate(job.conditioners_of(item, self._warm))
        ]

    @property
    def through(self) -> int:
        """Frames on which everything was found."""
        return max(self._done, min(lane.written for lane in self._lanes))

    def take(self, frame: Frame) -> None:
        """The next frame of the video; those that are done as well, because a cut is told from all before it."""
        index = self._taken
        self._taken += 1
        if self._begins_shot is not None and self._begins_shot(frame):
            self.cuts.append(index)
        if index >= self._done:
            self.frames.add(frame)
        if index >= self._warm:
            for lane in self._lanes:
                lane.feed(frame)
        if self._meeting is not None:
            self._meeting.frame(frame, len(self.cuts))

    def finish(self, waiting: Callable[[], None]) -> None:
        """Wait until everything is written, calling `waiting` now and then. Raises what went wrong."""
        for lane in self._lanes:
            lane.finish(waiting)
        self.frames.finish()

    def abort(self) -> None:
        """Stop; errors no longer matter."""
        for lane in self._lanes:
            lane.abort()


def _writer(job: Job, files: ClipFiles, conditioner: Conditioner, pool: WriterPool, start: int) -> AnnotationWriter:
    name = conditioner.spec.name
    labels = conditioner.spec.output == "labels"
    colours = palette({one.id: one.colour for one in conditioner.classes()})
    folder = files.folder / name
    return AnnotationWriter(folder, files.parts(name), pool, job.size, start, labels=labels, colours=colours)
