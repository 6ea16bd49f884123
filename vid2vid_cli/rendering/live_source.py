"""Annotation of the newest frames of a live source, with a limit on the frames between capture and output."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice, tee

from vid2vid_cli.conditioning import Annotation, VideoFrame
from vid2vid_cli.core.errors import NoDetectionError
from vid2vid_cli.engine.events import EventHandler, InfoEvent, WarningEvent
from vid2vid_cli.media.live_capture import LiveCapture
from vid2vid_cli.rendering.frames import AnnotatedFrame, is_missing
from vid2vid_cli.rendering.source_scan import SourceScan
from vid2vid_cli.rendering.source_video import SourceVideo

MAX_IN_FLIGHT = 2
"""Frames between capture and output: one that is generated while the next one is annotated. More only add latency."""
NUM_MEASURED_FRAMES = 24
"""Frames with a detection from which the position and proportions of the source are measured."""
MISSING_NOTICE_SECONDS = 5.0


class FrameGate:
    """Admits a frame when fewer than MAX_IN_FLIGHT are on the way, and when a conditioner reads ahead. Thread-safe.

    A conditioner that needs later frames gets them as soon as all annotated frames have been shown: without them,
    nothing would follow.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._capture_times: deque[float] = deque()
        """Of the frames on the way, in order."""
        self._num_annotated = self._num_shown = 0
        self._is_closed = False

    def wait(self) -> bool:
        """Wait until a frame may be taken; False if the gate is closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._is_closed
                    or len(self._capture_times) < MAX_IN_FLIGHT
                    or self._num_annotated == self._num_shown
                )
            )
            return not self._is_closed

    def add(self, capture_time: float) -> None:
        """Count a frame that was taken."""
        with self._changed:
            self._capture_times.append(capture_time)

    def mark_annotated(self) -> None:
        """Count an annotated frame."""
        with self._changed:
            self._num_annotated += 1

    def mark_shown(self) -> float:
        """Count a frame that was shown, or that is not shown; return its capture time."""
        with self._changed:
            self._num_shown += 1
            self._changed.notify_all()
            return self._capture_times.popleft()

    def close(self) -> None:
        """Admit no more frames."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class LiveSource:
    """The annotated frames of a capture."""

    def __init__(self, video: SourceVideo, capture: LiveCapture) -> None:
        self.video, self._capture = video, capture
        self.gate = FrameGate()

    def stop(self) -> None:
        """End `annotate`, from any thread."""
        self.gate.close()
        self._capture.stop()

    def annotate(self) -> Iterator[AnnotatedFrame]:
        """Yield each frame that the gate admits, the newest one at that time. Cuts are not detected.

        Raises CameraError if the source is lost.
        """
        pending: deque[VideoFrame] = deque()

        def take_frames() -> Iterator[VideoFrame]:
            while self.gate.wait() and (captured := self._capture.take()) is not None:
                self.gate.add(captured.seconds)
                pending.append(VideoFrame(captured.rgb))
                yield pending[-1]

        conditioners = self.video.bind_conditioners()
        copies = tee(take_frames(), len(conditioners))
        streams = [conditioner.annotate(copy) for conditioner, copy in zip(conditioners, copies, strict=True)]
        for frame_annotations in zip(*streams, strict=True):
            self.gate.mark_annotated()
            yield AnnotatedFrame(pending.popleft().rgb, False, frame_annotations)

    def skip(self, frames: Iterator[AnnotatedFrame], num_frames: int) -> Iterator[AnnotatedFrame]:
        """The same frames; the first `num_frames` of them, which have no output, count as shown."""
        for frame in islice(frames, num_frames):
            self.gate.mark_shown()
            yield frame
        yield from frames


def measure_source(source: LiveSource, frames: Iterator[AnnotatedFrame], emit: EventHandler) -> SourceScan:
    """The statistics of the first frames with a detection, which are not shown. Waits until the subject is there.

    Raises NoDetectionError if the source ends before.
    """
    video = source.video
    sequences: list[list[Annotation]] = [[] for _ in video.conditioners]
    start, has_notice = time.monotonic(), False
    emit(InfoEvent(f"measuring {video.path}: the subject should be visible, from the front"))
    for frame in frames:
        source.gate.mark_shown()
        for conditioner, annotation, sequence in zip(video.conditioners, frame.annotations, sequences, strict=True):
            if not is_missing(annotation, conditioner) and len(sequence) < NUM_MEASURED_FRAMES:
                sequence.append(annotation)
        if min(map(len, sequences)) == NUM_MEASURED_FRAMES:
            break
        missing = [c.spec.name for c, sequence in zip(video.conditioners, sequences, strict=True) if not sequence]
        if missing and not has_notice and time.monotonic() - start > MISSING_NOTICE_SECONDS:
            has_notice = True
            emit(WarningEvent(f"{' and '.join(missing)}: no detection yet; move into the picture, or closer."))
    for conditioner, sequence in zip(video.conditioners, sequences, strict=True):
        if not sequence:
            name = conditioner.spec.name
            raise NoDetectionError(
                f"{name}: no detection until the end of {video.path}.",
                f"Show the subject larger; `vid2vid plugins show {name}` lists options that may help.",
            )
    statistics = (
        conditioner.statistics(sequence) for conditioner, sequence in zip(video.conditioners, sequences, strict=True)
    )
    return SourceScan(tuple(statistics), tuple(sequence[0] for sequence in sequences))
