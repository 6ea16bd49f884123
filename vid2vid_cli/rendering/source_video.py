"""A source video and its annotations, shot by shot.

decoded frames ─► annotate (whole video; a cut resets trackers and smoothing)
               ─► split_shots ─► Retargeter.retarget_shot ─► FrameRenderer.render
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    VideoContext,
    VideoFrame,
    View,
    detect_cuts,
)
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.prefetch import Prefetcher, prefetch
from vid2vid_cli.core.thread_switching import prompt_thread_switching
from vid2vid_cli.engine.events import EventHandler, ProgressEvent
from vid2vid_cli.media.blank_reader import FrameSource
from vid2vid_cli.media.decode import picture_times
from vid2vid_cli.media.images import resize_image
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.rendering.annotation_stream import AnnotationStream
from vid2vid_cli.rendering.frames import AnnotatedFrame, OriginalFrame
from vid2vid_cli.rendering.source_scan import SCAN_FRAMES, SourceScan, report_coverage, scan_windows, summarise_scan


@dataclass(frozen=True)
class _Head:
    """The annotations of the first frames of a video, and the stream that continues them."""

    stream: AnnotationStream
    annotations: deque[tuple[Annotation, ...]] = field(default_factory=deque)


@dataclass(frozen=True)
class _RunningScan:
    """A scan whose frames a thread annotates."""

    windows: Sequence[range]
    stream: AnnotationStream
    """Annotates the first window."""
    annotations: Prefetcher[tuple[Annotation, ...]]
    switching: ExitStack = field(default_factory=ExitStack)
    """Ends `prompt_thread_switching`."""

    def close(self) -> None:
        """End the thread, and release the detectors."""
        self.switching.close()
        self.annotations.close()
        self.stream.close()


@dataclass(frozen=True)
class SourceVideo:
    """A video and the conditioners of a checkpoint that annotate it."""

    path: Path
    reader: FrameSource
    conditioners: tuple[Conditioner, ...]
    has_frames: bool = True
    """False if the frames are label images or blank; then the comparison video does not show them."""
    is_single_shot: bool = False
    """True for sequences of a foreign dataset, which are not divided at cuts."""
    keeps_originals: bool = False
    """Whether `annotate` yields the original frames too."""
    full_reader: VideoReader | None = None
    """Reads the frames at their full size for `annotate`, which reduces them; None: `reader` is read."""
    notices: list[str] = field(default_factory=list, compare=False)
    """Sentences about the video and the files that the conditioners read; filled by `annotate`."""
    _heads: list[_Head] = field(default_factory=list, init=False, repr=False, compare=False)
    """What `scan` has annotated, for `annotate`; at most one. Its stream keeps the detectors."""
    _running_scans: list[_RunningScan] = field(default_factory=list, init=False, repr=False, compare=False)
    """At most one."""

    @property
    def _has_input_files(self) -> bool:
        return any(conditioner.input_paths() for conditioner in self.conditioners)

    def bind_conditioners(self, frame_indices: Sequence[int] | None = None) -> tuple[Conditioner, ...]:
        """The conditioners for the frames of the video with these indices; None for all frames."""
        probe, reader = self.reader.probe, self.reader
        video_context = VideoContext(
            path=self.path,
            height=probe.height,
            width=probe.width,
            num_frames=probe.num_frames,
            fps=reader.source_fps,
            view=View.from_box((0, 0, probe.width, probe.height), reader.height, reader.width),
            sampled_fps=reader.fps,
            start_seconds=float(reader.start_seconds),
            frame_indices=None if frame_indices is None else tuple(frame_indices),
            frame_files=reader.files,
            picture_times=picture_times(self.path, probe) if self._has_input_files else (),
            notices=self.notices if frame_indices is None else [],
        )
        return tuple(conditioner.bind(video_context) for conditioner in self.conditioners)

    @contextmanager
    def scanned_ahead(self) -> Iterator[None]:
        """A context in which a thread annotates the frames of `scan`, while a model is loaded.

        At its end, what a scan has kept for `annotate` is released.
        """
        self._running_scans.append(self._start_scan())
        try:
            yield
        finally:
            while self._running_scans:
                self._running_scans.pop().close()
            self._close_heads()

    def _close_heads(self) -> None:
        while self._heads:
            self._heads.pop().stream.close()

    def _start_scan(self) -> _RunningScan:
        windows = scan_windows(self.reader.num_frames or SCAN_FRAMES, self.reader.seekable_indices)
        stream = AnnotationStream(self.bind_conditioners())
        scan = _RunningScan(windows, stream, Prefetcher(self._annotate_windows(windows, stream), SCAN_FRAMES))
        scan.switching.enter_context(prompt_thread_switching())
        return scan

    def scan(self, emit: EventHandler, *, keeps_head: bool = True) -> SourceScan:
        """Annotate up to SCAN_FRAMES frames and compute the statistics of the source from them.

        A video of up to SCAN_FRAMES frames is read completely. From a longer one, equally many consecutive frames are
        read from each of up to MAX_SCAN_WINDOWS evenly spaced keyframes, which are reached by seeking. Few keyframes
        (x264 writes one in 250 frames) leave most of a short video unread; an InfoEvent reports this.

        `keeps_head`: keep the annotations of the first window and the detectors for `annotate`, which continues there.
        False: `annotate` starts again, and memory does not grow with the number of scanned sources.

        Raises NoDetectionError if a conditioner has no detection on any of these frames.
        """
        self._close_heads()
        scan = self._running_scans.pop() if self._running_scans else self._start_scan()
        windows, stream = scan.windows, scan.stream
        annotations_by_frame: list[tuple[Annotation, ...]] = []
        try:
            report_coverage(self.path, windows, self.reader.num_frames or 0, self.reader.fps, emit)
            for annotations in scan.annotations:
                annotations_by_frame.append(annotations)
                emit(ProgressEvent("scan source", len(annotations_by_frame), sum(map(len, windows))))
            scan.switching.close()
            result = summarise_scan(self.path, stream.conditioners, annotations_by_frame, self.has_frames, emit)
        except BaseException:
            scan.close()
            raise
        if keeps_head:
            self._heads.append(_Head(stream, deque(annotations_by_frame[: len(windows[0])])))
        else:
            scan.close()
        return result

    def _annotate_windows(self, windows: Sequence[range], stream: AnnotationStream) -> Iterator[tuple[Annotation, ...]]:
        """The annotations of the frames of all windows. `stream` annotates the first one; `annotate` continues it."""
        first, *others = windows
        with closing(prefetch(self.decoded_reader, depth=4)) as images:
            frames = self._mark_cuts(map(self._reduce, images), self.decoded_reader)
            yield from islice(stream.annotate(frames), len(first))
        if others:
            conditioners = self.bind_conditioners([index for window in others for index in window])
            other_stream = AnnotationStream(conditioners)
            with closing(other_stream), closing(prefetch(self._read_windows(others), depth=4)) as frames:
                yield from other_stream.annotate(frames)

    def _read_windows(self, windows: Sequence[range]) -> Iterator[VideoFrame]:
        """Yield the frames of all windows. The first frame of a later window counts as a cut."""
        for window in windows:
            reader = self.reader.select_range(window.start, window.stop)
            for position, frame in enumerate(self._mark_cuts(islice(reader, len(window)), reader)):
                yield replace(frame, is_cut=True) if window is not windows[0] and position == 0 else frame

    def _mark_cuts(self, frames: Iterable[ImageArray], reader: FrameSource) -> Iterator[VideoFrame]:
        """The frames of `reader` with their cuts; label images and single shots have only the reader's."""
        if self.has_frames and not self.is_single_shot:
            return detect_cuts(frames, reader.discontinuities)
        return (VideoFrame(frame, index in reader.discontinuities) for index, frame in enumerate(frames))

    @property
    def decoded_reader(self) -> FrameSource:
        """The reader that `annotate` reads."""
        return self.full_reader or self.reader

    def annotate(self) -> Generator[AnnotatedFrame, None, None]:
        """Yield every frame with its annotations. A few frames are decoded ahead.

        Frames that `scan` has annotated in this order are decoded again, but not annotated.
        """
        pending_frames: deque[VideoFrame] = deque()
        full_images: deque[ImageArray] = deque()
        head = self._heads.pop() if self._heads else _Head(AnnotationStream(self.bind_conditioners()))
        num_read = head.stream.num_read
        with closing(head.stream), closing(prefetch(self.decoded_reader, depth=4)) as decoded_frames:

            def reduce_frames() -> Iterator[ImageArray]:
                for image in decoded_frames:
                    full_images.append(image)
                    yield self._reduce(image)

            def queue_frames() -> Iterator[VideoFrame]:
                for frame in self._mark_cuts(reduce_frames(), self.decoded_reader):
                    pending_frames.append(frame)
                    yield frame

            frames = enumerate(queue_frames())
            unread_frames = (frame for index, frame in frames if index >= num_read)
            scanned = (head.annotations.popleft() for _ in range(len(head.annotations)))
            for annotations in chain(scanned, head.stream.annotate(unread_frames)):
                if not pending_frames:
                    next(frames)
                frame, full_image = pending_frames.popleft(), full_images.popleft()
                original = OriginalFrame(full_image, annotations) if self.keeps_originals else None
                yield AnnotatedFrame(frame.rgb, frame.is_cut, annotations, original=original)

    def _reduce(self, image: ImageArray) -> ImageArray:
        if self.full_reader is None:
            return image
        return resize_image(image, self.reader.height, self.reader.width).astype(np.uint8, copy=False)


def split_shots(annotated_frames: Iterator[AnnotatedFrame]) -> Iterator[Iterator[AnnotatedFrame]]:
    """Yield an iterator per shot; each one must be exhausted before the next. Holds one frame."""
    next_frames = list(islice(annotated_frames, 1))

    def iterate_shot() -> Iterator[AnnotatedFrame]:
        yield next_frames.pop()
        for annotated_frame in annotated_frames:
            if annotated_frame.is_cut:
                next_frames.append(annotated_frame)
                return
            yield annotated_frame

    while next_frames:
        yield iterate_shot()
