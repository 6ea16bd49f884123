"""Writes the frames and annotations of one video. Decoding, annotation and writing overlap; memory is bounded.

decoder ──► this thread: cut detection ──► threads that write the frames
                 └──► one thread per conditioner: annotate ──► threads that write its images
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning import Conditioner, VideoFrame
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.data.annotations import AnnotationWriter
from vid2vid_cli.data.chunk_store import CHUNK_FRAMES, ChunkStore, WriterPool
from vid2vid_cli.data.frame_writer import FrameWriter
from vid2vid_cli.data.manifest import write_json
from vid2vid_cli.dataset_builder.annotation_worker import AnnotationWorker
from vid2vid_cli.dataset_builder.job import InputVideo, PrepareJob
from vid2vid_cli.dataset_builder.output_folder import DatasetFolder
from vid2vid_cli.engine.events import EventHandler, InfoEvent, WarningEvent
from vid2vid_cli.media.label_png import palette
from vid2vid_cli.media.shot_detection import CutDetector


@dataclass(frozen=True)
class ClipResult:
    """The frames of a video and its cuts."""

    num_frames: int
    cuts: tuple[int, ...]
    """Frames that start a new shot, in order; never frame 0."""

    @property
    def shots(self) -> list[tuple[int, int]]:
        """(first frame, number of frames) of each shot."""
        return [(first, last - first) for first, last in pairwise((0, *self.cuts, self.num_frames))]


@dataclass(frozen=True)
class ClipPaths:
    """Paths of a clip in an unfinished dataset."""

    name: str
    folder: Path
    work_folder: Path
    """Records that are needed only until the dataset is finished."""

    @staticmethod
    def from_index(dataset_folder: DatasetFolder, index: int) -> ClipPaths:
        """The paths of the clip of the video with this index."""
        name = f"{index:03d}"
        return ClipPaths(name, dataset_folder.partial_path / "clips" / name, dataset_folder.work_folder / name)

    def chunk_store(self, stream: str) -> ChunkStore:
        """The chunks of a stream: `frames` or the name of a conditioner."""
        return ChunkStore(self.work_folder / stream)

    def read_result(self) -> ClipResult | None:
        """The result of a finished video, or None."""
        try:
            data: Any = json.loads((self.work_folder / "clip.json").read_text(encoding="utf-8"))
            return ClipResult(int(data["num_frames"]), tuple(int(cut) for cut in data["cuts"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_result(self, result: ClipResult) -> None:
        """Mark the video as finished. Raises DiskFullError, PermissionDeniedError."""
        write_json(self.work_folder / "clip.json", {"num_frames": result.num_frames, "cuts": result.cuts})

    def num_finished_frames(self, conditioners: tuple[Conditioner, ...]) -> int:
        """Number of frames whose images and annotations are complete on disk."""
        result = self.read_result()
        if result is not None:
            return result.num_frames
        streams = ["frames", *(conditioner.spec.name for conditioner in conditioners)]
        return min(self.chunk_store(stream).count_complete() for stream in streams) * CHUNK_FRAMES


def prepare_clip(
    job: PrepareJob,
    input_video: InputVideo,
    paths: ClipPaths,
    *,
    on_progress: Callable[[int], None],
    emit: EventHandler,
) -> ClipResult:
    """Write the frames and annotations of one video, continuing an interrupted run.

    `on_progress` receives the number of annotated frames. A continued run passes the last finished chunk to the
    conditioners again to warm up trackers and smoothing. Annotations of conditioners with state may differ slightly
    from those of an uninterrupted run; frames, cuts and annotations of stateless conditioners are bit-exact.
    """
    finished_result = paths.read_result()
    if finished_result is not None:
        return finished_result
    num_finished = paths.num_finished_frames(job.conditioners)
    reader = job.open_reader(input_video)
    with WriterPool() as pool:
        pipeline = _ClipPipeline(job, input_video, paths, num_finished, pool)
        try:
            with closing(job.decode_frames(reader)) as stream:
                for frame in stream:
                    pipeline.add_frame(frame)
                    on_progress(pipeline.num_annotated)
            pipeline.finish(lambda: on_progress(pipeline.num_annotated))
        except BaseException:
            pipeline.abort()
            raise
    for warning in reader.warnings:
        emit(WarningEvent(warning if str(input_video.path) in warning else f"{input_video.path}: {warning}"))
    for remark in reader.remarks:
        emit(InfoEvent(f"{input_video.path}: {remark}"))
    result = ClipResult(pipeline.frame_writer.num_written, tuple(pipeline.cuts))
    if result.num_frames:
        paths.write_result(result)
    return result


class _ClipPipeline:
    """Passes each frame of a video to the cut detector, the frame writer and the conditioners."""

    def __init__(
        self, job: PrepareJob, input_video: InputVideo, paths: ClipPaths, num_finished: int, pool: WriterPool
    ) -> None:
        self.frame_writer = FrameWriter(
            paths.folder / "frames",
            paths.chunk_store("frames"),
            pool,
            start_index=num_finished,
            frame_format=job.frame_format,
        )
        self.cuts: list[int] = []
        self._num_finished, self._warmup_start, self._num_frames = num_finished, max(0, num_finished - CHUNK_FRAMES), 0
        self._cut_detector = CutDetector() if job.should_split_shots(input_video) else None
        self._workers = [
            AnnotationWorker(
                conditioner,
                _make_annotation_writer(job, paths, conditioner, pool, num_finished),
                self._warmup_start,
                worker_index=index,
            )
            for index, conditioner in enumerate(job.bind_conditioners(input_video, self._warmup_start))
        ]

    @property
    def num_annotated(self) -> int:
        """Number of frames that all conditioners have annotated."""
        return max(self._num_finished, min(worker.num_written for worker in self._workers))

    def add_frame(self, rgb: UInt8Array) -> None:
        """Process the next frame. Finished frames are needed too, because a cut depends on all frames before it."""
        index = self._num_frames
        self._num_frames += 1
        is_cut = self._cut_detector is not None and self._cut_detector(rgb)
        if is_cut:
            self.cuts.append(index)
        if index >= self._num_finished:
            self.frame_writer.add(rgb)
        if index >= self._warmup_start:
            for worker in self._workers:
                worker.feed(VideoFrame(rgb, is_cut))

    def finish(self, on_wait: Callable[[], None]) -> None:
        """Wait until everything is written; calls `on_wait` repeatedly. Raises errors of the threads."""
        for worker in self._workers:
            worker.finish(on_wait)
        self.frame_writer.finish()

    def abort(self) -> None:
        """Stop all conditioners; errors are ignored."""
        for worker in self._workers:
            worker.abort()


def _make_annotation_writer(
    job: PrepareJob, paths: ClipPaths, conditioner: Conditioner, pool: WriterPool, start_index: int
) -> AnnotationWriter:
    name = conditioner.spec.name
    return AnnotationWriter(
        paths.folder / name,
        paths.chunk_store(name),
        pool,
        job.frame_size,
        start_index=start_index,
        has_label_maps=conditioner.spec.output == "labels",
        palette_colours=palette({label_class.id: label_class.colour for label_class in conditioner.classes()}),
    )
