"""A source video and its annotations, shot by shot.

decoded frames ─► annotate (whole video; a cut resets trackers and smoothing)
               ─► split_shots ─► Retargeter.retarget_shot ─► FrameRenderer.render
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain, islice, pairwise, tee
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    Statistics,
    VideoContext,
    VideoFrame,
    View,
    detect_cuts,
)
from vid2vid_cli.conditioning.combine import describe_missing_parts
from vid2vid_cli.core.errors import NoDetectionError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.engine.events import EventHandler, InfoEvent, ProgressEvent, WarningEvent
from vid2vid_cli.engine.inference import evenly_spaced
from vid2vid_cli.media.blank_reader import FrameSource
from vid2vid_cli.media.decode import picture_times
from vid2vid_cli.media.images import resize_image
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.rendering.frames import AnnotatedFrame, OriginalFrame

SCAN_FRAMES = 96
"""Maximum number of frames from which the statistics of a source are computed."""
MAX_SCAN_WINDOWS = 16
"""Maximum number of positions at which these frames are read; each one opens the file and seeks."""


@dataclass(frozen=True)
class SourceScan:
    """The result of `SourceVideo.scan`, per conditioner."""

    statistics: tuple[Statistics, ...]
    first_annotations: tuple[Annotation, ...]
    """The first annotation with a detection; it stands for missing detections at the start."""


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

    def scan(self, emit: EventHandler) -> SourceScan:
        """Annotate up to SCAN_FRAMES frames and compute the statistics of the source from them.

        A video of up to SCAN_FRAMES frames is read completely. From a longer one, equally many consecutive frames are
        read from each of up to MAX_SCAN_WINDOWS evenly spaced keyframes, which are reached by seeking. Few keyframes
        (x264 writes one in 250 frames) leave most of a short video unread; an InfoEvent reports this.

        Raises NoDetectionError if a conditioner has no detection on any of these frames.
        """
        windows = scan_windows(self.reader.num_frames or SCAN_FRAMES, self.reader.seekable_indices)
        self._report_coverage(windows, emit)
        conditioners = self.bind_conditioners([index for window in windows for index in window])
        annotations_per_conditioner: list[list[Annotation]] = [[] for _ in conditioners]
        with closing(prefetch(self._read_windows(windows), depth=4)) as frames:
            copies = tee(frames, len(conditioners))
            streams = [conditioner.annotate(copy) for conditioner, copy in zip(conditioners, copies, strict=True)]
            for index, annotations in enumerate(zip(*streams, strict=True)):
                for conditioner_annotations, annotation in zip(annotations_per_conditioner, annotations, strict=True):
                    conditioner_annotations.append(annotation)
                emit(ProgressEvent("scan source", index + 1, sum(map(len, windows))))
        pairs = list(zip(self.conditioners, annotations_per_conditioner, strict=True))
        first_annotations = tuple(
            self._first_detection(conditioner, sequence)
            for conditioner, sequence in zip(conditioners, annotations_per_conditioner, strict=True)
        )
        for conditioner, sequence in pairs:
            missing_parts = describe_missing_parts(conditioner, sequence)
            if missing_parts:
                emit(
                    WarningEvent(
                        f"{self.path}: {conditioner.spec.name} did not detect most of the body: {missing_parts} "
                        "missing. The result shows what was detected."
                    )
                )
        return SourceScan(tuple(conditioner.statistics(sequence) for conditioner, sequence in pairs), first_annotations)

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

    def _report_coverage(self, windows: Sequence[range], emit: EventHandler) -> None:
        num_frames = self.reader.num_frames or 0
        boundaries = pairwise(chain(windows, [range(num_frames, num_frames)]))
        longest_gap = max(following.start - window.stop for window, following in boundaries)
        if longest_gap > num_frames / 2:
            emit(
                InfoEvent(
                    f"{self.path}: the source's position and proportions are measured on {sum(map(len, windows))} of "
                    f"{num_frames} frames, as the file has few keyframes; {float(longest_gap / self.reader.fps):.1f} s "
                    "in a row are not covered."
                )
            )

    def _first_detection(self, conditioner: Conditioner, annotations: Sequence[Annotation]) -> Annotation:
        for annotation in annotations:
            if annotation.quality > 0:
                return annotation
        name = conditioner.spec.name
        if not self.has_frames:
            raise NoDetectionError(
                f"{name}: the files of {self.path} contain no points on any of {len(annotations)} frames.",
                "Check that these are the label files of the video.",
            )
        message = f"{name}: no detection on any of {len(annotations)} frames of {self.path}."
        raise NoDetectionError(
            " ".join([message, *(conditioner.video_context.notices if conditioner.video_context else ())]),
            f"Use a video that shows the subject larger; `vid2vid plugins show {name}` lists options that may help.",
        )

    @property
    def decoded_reader(self) -> FrameSource:
        """The reader that `annotate` reads."""
        return self.full_reader or self.reader

    def annotate(self) -> Generator[AnnotatedFrame, None, None]:
        """Yield every frame with its annotations. A few frames are decoded ahead."""
        pending_frames: deque[VideoFrame] = deque()
        full_images: deque[ImageArray] = deque()
        with closing(prefetch(self.decoded_reader, depth=4)) as decoded_frames:

            def reduce_frames() -> Iterator[ImageArray]:
                for image in decoded_frames:
                    full_images.append(image)
                    yield image if self.full_reader is None else self._reduce(image)

            def queue_frames() -> Iterator[VideoFrame]:
                for frame in self._mark_cuts(reduce_frames(), self.decoded_reader):
                    pending_frames.append(frame)
                    yield frame

            copies = tee(queue_frames(), len(self.conditioners))
            streams = [c.annotate(copy) for c, copy in zip(self.bind_conditioners(), copies, strict=True)]
            for annotations in zip(*streams, strict=True):
                frame, full_image = pending_frames.popleft(), full_images.popleft()
                original = OriginalFrame(full_image, annotations) if self.keeps_originals else None
                yield AnnotatedFrame(frame.rgb, frame.is_cut, annotations, original=original)

    def _reduce(self, image: ImageArray) -> ImageArray:
        return resize_image(image, self.reader.height, self.reader.width).astype(np.uint8, copy=False)


def scan_windows(num_frames: int, seekable_indices: Sequence[int]) -> list[range]:
    """Index ranges of at most SCAN_FRAMES frames in all, spread over a video; each starts at a seekable index."""
    if num_frames <= SCAN_FRAMES:
        return [range(num_frames)]
    starts = [seekable_indices[position] for position in evenly_spaced(len(seekable_indices), MAX_SCAN_WINDOWS)]
    length = SCAN_FRAMES // len(starts)
    return [range(start, min(start + length, stop)) for start, stop in pairwise([*starts, num_frames])]


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
