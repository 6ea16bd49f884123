"""A source video and its annotations, shot by shot.

decoded frames ─► annotate (whole video; a cut resets trackers and smoothing)
               ─► split_shots ─► Retargeter.retarget_shot ─► FrameRenderer.render
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from vid2vid_cli.conditioning import Annotation, Conditioner, VideoContext, View
from vid2vid_cli.core.forked_iterator import can_fork
from vid2vid_cli.core.interpreter_settings import prompt_thread_switching
from vid2vid_cli.core.prefetch import Prefetcher
from vid2vid_cli.engine.events import EventHandler, ProgressEvent
from vid2vid_cli.media.blank_reader import FrameSource
from vid2vid_cli.media.decode import picture_times
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.rendering.annotation_pass import AnnotationPass, ForkedAnnotationPass, LocalAnnotationPass
from vid2vid_cli.rendering.frames import AnnotatedFrame
from vid2vid_cli.rendering.source_frames import SourceFrames
from vid2vid_cli.rendering.source_scan import SCAN_FRAMES, SourceScan, report_coverage, scan_windows, summarise_scan


@dataclass(frozen=True)
class _RunningScan:
    """A scan whose annotations a thread computes or receives."""

    windows: Sequence[range]
    conditioners: tuple[Conditioner, ...]
    """Bound to the video."""
    annotation_pass: AnnotationPass
    annotations: Prefetcher[tuple[Annotation, ...]]
    switching: ExitStack = field(default_factory=ExitStack)
    """Ends `prompt_thread_switching`."""

    def close(self) -> None:
        """End the thread, and release the detectors."""
        self.switching.close()
        self.annotations.close()
        self.annotation_pass.close()


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
    _scanned_passes: list[AnnotationPass] = field(default_factory=list, init=False, repr=False, compare=False)
    """What `scan` has begun, for `annotate` to continue; at most one. It keeps the detectors."""
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
        """A context in which the frames of `scan` are annotated while a model is loaded.

        A child process annotates the source, if this process can be forked and no conditioner uses torch; otherwise
        a thread does, with the same result. At the end of the context, the child process or the detectors are
        released, also if frames of `annotate` remain.
        """
        is_forked = can_fork() and not any(conditioner.uses_torch for conditioner in self.conditioners)
        scan = self._start_scan(is_forked=is_forked)
        self._running_scans.append(scan)
        try:
            yield
        finally:
            self._running_scans.clear()
            scan.close()
            self._close_scanned_passes()

    def _close_scanned_passes(self) -> None:
        while self._scanned_passes:
            self._scanned_passes.pop().close()

    def _start_scan(self, *, is_forked: bool = False) -> _RunningScan:
        windows = scan_windows(self.reader.num_frames or SCAN_FRAMES, self.reader.seekable_indices)
        conditioners = self.bind_conditioners()
        annotation_pass: AnnotationPass = self._create_pass(conditioners, windows)
        if is_forked:
            reader = self.decoded_reader
            sentences = self.notices, reader.warnings, reader.remarks
            with suppress(OSError):  # the system allows no further process
                annotation_pass = ForkedAnnotationPass(annotation_pass, self.path, sentences)
        scan = _RunningScan(windows, conditioners, annotation_pass, Prefetcher(annotation_pass.scan(), SCAN_FRAMES))
        if isinstance(annotation_pass, LocalAnnotationPass):
            scan.switching.enter_context(prompt_thread_switching())
        return scan

    def _create_pass(
        self, conditioners: Sequence[Conditioner], windows: Sequence[range] = (range(0),)
    ) -> LocalAnnotationPass:
        """`conditioners`: bound to the whole video."""
        later_indices = [index for window in windows[1:] for index in window]
        window_conditioners = self.bind_conditioners(later_indices) if later_indices else ()
        return LocalAnnotationPass(
            self._frames, windows, conditioners, window_conditioners, keeps_originals=self.keeps_originals
        )

    def scan(self, emit: EventHandler, *, keeps_head: bool = True) -> SourceScan:
        """Annotate up to SCAN_FRAMES frames and compute the statistics of the source from them.

        A video of up to SCAN_FRAMES frames is read completely. From a longer one, equally many consecutive frames are
        read from each of up to MAX_SCAN_WINDOWS evenly spaced keyframes, which are reached by seeking. Few keyframes
        (x264 writes one in 250 frames) leave most of a short video unread; an InfoEvent reports this.

        `keeps_head`: keep the annotations of the first window and the detectors for `annotate`, which continues there.
        False: `annotate` starts again, and memory does not grow with the number of scanned sources.

        Raises NoDetectionError if a conditioner has no detection on any of these frames; WorkerLostError.
        """
        self._close_scanned_passes()
        scan = self._running_scans.pop() if self._running_scans else self._start_scan()
        annotations_by_frame: list[tuple[Annotation, ...]] = []
        try:
            report_coverage(self.path, scan.windows, self.reader.num_frames or 0, self.reader.fps, emit)
            for annotations in scan.annotations:
                annotations_by_frame.append(annotations)
                emit(ProgressEvent("scan source", len(annotations_by_frame), sum(map(len, scan.windows))))
            scan.switching.close()
            result = summarise_scan(self.path, scan.conditioners, annotations_by_frame, self.has_frames, emit)
        except BaseException:
            scan.close()
            raise
        if keeps_head:
            self._scanned_passes.append(scan.annotation_pass)
        else:
            scan.close()
        return result

    @property
    def _frames(self) -> SourceFrames:
        return SourceFrames(self.reader, self.full_reader, self.has_frames and not self.is_single_shot)

    @property
    def decoded_reader(self) -> FrameSource:
        """The reader that `annotate` reads."""
        return self._frames.decoded_reader

    def annotate(self) -> Generator[AnnotatedFrame, None, None]:
        """Yield every frame with its annotations; raises the errors of the conditioners, WorkerLostError.

        Frames that `scan` has annotated in this order are decoded again, but not annotated.
        """
        scanned = self._scanned_passes
        annotation_pass = scanned.pop() if scanned else self._create_pass(self.bind_conditioners())
        yield from annotation_pass.annotate()


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
