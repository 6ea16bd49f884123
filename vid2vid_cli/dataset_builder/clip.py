"""Writes the frames and annotations of one video. Decoding, annotation and writing overlap; memory is bounded.

decoder ──► this thread: cut detection ──► threads that write the frames
                 └──► one thread per conditioner: annotate ──► threads that write its images
"""

from __future__ import annotations

from collections.abc import Callable, Set
from contextlib import closing

from vid2vid_cli.conditioning import Conditioner, VideoFrame
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.data.annotations import AnnotationWriter
from vid2vid_cli.data.chunk_store import CHUNK_FRAMES, WriterPool
from vid2vid_cli.data.frame_writer import FrameWriter
from vid2vid_cli.dataset_builder.annotation_worker import AnnotationWorker
from vid2vid_cli.dataset_builder.clip_files import FRAMES, ClipPaths, ClipResult, FinishedParts
from vid2vid_cli.dataset_builder.job import InputVideo, PrepareJob
from vid2vid_cli.engine.events import EventHandler, InfoEvent, WarningEvent
from vid2vid_cli.media.label_images import palette
from vid2vid_cli.media.shot_detection import CutDetector


def prepare_clip(
    job: PrepareJob,
    input_video: InputVideo,
    paths: ClipPaths,
    *,
    finished_parts: FinishedParts,
    on_progress: Callable[[int], None],
    emit: EventHandler,
) -> ClipResult:
    """Write the frames and annotations of one video, except for the parts that an interrupted run has finished.

    `on_progress` receives the number of annotated frames. A continued run passes the last finished chunk to the
    conditioners again to warm up trackers and smoothing. Annotations of conditioners with state may differ slightly
    from those of an uninterrupted run; frames, cuts and annotations of stateless conditioners are bit-exact.
    """
    if finished_parts.result is not None:
        return finished_parts.result
    reader = job.open_reader(input_video)
    known_cuts = job.known_cuts(reader)
    with WriterPool() as pool:
        pipeline = _ClipPipeline(job, input_video, paths, finished_parts, pool)
        try:
            with closing(job.decode_frames(reader)) as stream:
                for frame in stream:
                    pipeline.add_frame(frame, known_cuts)
                    on_progress(pipeline.num_annotated)
            pipeline.finish(lambda: on_progress(pipeline.num_annotated))
        except BaseException:
            pipeline.abort()
            raise
    for notice in pipeline.notices:
        emit(WarningEvent(notice))
    for warning in reader.warnings:
        emit(WarningEvent(warning if str(input_video.path) in warning else f"{input_video.path}: {warning}"))
    for remark in reader.remarks:
        emit(InfoEvent(f"{input_video.path}: {remark}"))
    result = ClipResult(pipeline.frame_writer.num_frames, tuple(pipeline.cuts), tuple(pipeline.notices))
    if result.num_frames:
        paths.write_result(result)
    return result


class _ClipPipeline:
    """Passes each frame of a video to the cut detector, the frame writer and the conditioners."""

    def __init__(
        self, job: PrepareJob, input_video: InputVideo, paths: ClipPaths, finished: FinishedParts, pool: WriterPool
    ) -> None:
        self.frame_writer = FrameWriter(
            paths.folder / FRAMES,
            paths.chunk_store(FRAMES),
            pool,
            complete_starts=finished.frame_starts,
            frame_format=job.frame_format,
        )
        self.cuts: list[int] = []
        self._warmup_start = max(0, finished.num_annotated - CHUNK_FRAMES)
        self._cut_detector = CutDetector() if job.should_split_shots(input_video) else None
        conditioners = job.bind_conditioners(input_video, self._warmup_start)
        self._contexts = [conditioner.video_context for conditioner in conditioners]
        self._workers = [
            AnnotationWorker(
                conditioner,
                _make_annotation_writer(job, paths, conditioner, pool, finished.num_annotated),
                self._warmup_start,
                worker_index=index,
            )
            for index, conditioner in enumerate(conditioners)
        ]

    @property
    def notices(self) -> list[str]:
        """The notices of the conditioners about the video and the files that they have read."""
        return list(dict.fromkeys(notice for context in self._contexts if context for notice in context.notices))

    @property
    def num_annotated(self) -> int:
        """Number of frames that all conditioners have annotated."""
        return min(worker.num_written for worker in self._workers)

    def add_frame(self, rgb: UInt8Array, known_cuts: Set[int]) -> None:
        """Process the next frame, which is a cut if it is detected as one or its index is in `known_cuts`.

        Finished frames are needed too, because a cut depends on all frames before it.
        """
        index = self.frame_writer.num_frames
        is_detected = self._cut_detector is not None and self._cut_detector(rgb)
        is_cut = is_detected or index in known_cuts
        if is_cut:
            self.cuts.append(index)
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
