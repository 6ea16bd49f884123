"""`live`: renders the newest frames of a camera with a target's checkpoint, on a local page or in a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.person import add_person_option
from vid2vid_cli.conditioning.requirements import check_conditioners, has_input_files
from vid2vid_cli.core.errors import ConfigError, Vid2VidError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.paths import check_output_path
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.events import EventHandler, InfoEvent, ProgressEvent, WarningEvent
from vid2vid_cli.media.live_capture import LiveCapture
from vid2vid_cli.rendering.checkpoint_file import check_direction, open_checkpoint
from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.frames import RenderedFrame
from vid2vid_cli.rendering.live_file import LiveFile
from vid2vid_cli.rendering.live_page import LivePage
from vid2vid_cli.rendering.live_source import LiveSource, measure_source
from vid2vid_cli.rendering.live_statistics import LiveStatistics, LiveSummary
from vid2vid_cli.rendering.loaded_model import LoadedModel
from vid2vid_cli.rendering.model_loader import load_requested_model
from vid2vid_cli.rendering.output_path import choose_output_path
from vid2vid_cli.rendering.retargeter import Retargeter
from vid2vid_cli.rendering.source_conditioners import load_source_conditioners, require_input_files
from vid2vid_cli.rendering.source_reader import max_short_side
from vid2vid_cli.rendering.source_video import SourceVideo
from vid2vid_cli.requests.live import PAGE, LiveRequest
from vid2vid_cli.requests.render import StyleOptions

__all__ = ["LiveRequest", "LiveResult", "live"]


@dataclass(frozen=True)
class LiveResult:
    """What was shown, and how fast."""

    path: Path | None
    """The video; None for a page."""
    url: str
    """The page; "" for a video."""
    summary: LiveSummary
    num_captured: int
    num_dropped: int
    """Captured frames that were replaced by a newer one before they were annotated."""


class _Output(Protocol):
    def show(self, image: ImageArray, capture_time: float) -> None:
        """Show a frame, (h, w, 3) uint8 RGB."""


class _LiveState:
    """What the page shows about the run."""

    def __init__(self, title: str, capture: LiveCapture) -> None:
        self.title, self.capture = title, capture
        self.statistics = LiveStatistics()
        self.retargeter: Retargeter | None = None

    def to_json(self) -> dict[str, object]:
        """Title, state, counts, rate and median latency of the last seconds."""
        recent = self.statistics.recent()
        return {
            "title": self.title,
            "state": self._describe(),
            "num_shown": recent.num_shown,
            "num_captured": self.capture.num_captured,
            "num_dropped": self.capture.num_dropped,
            "frames_per_second": recent.frames_per_second,
            "latency_ms": recent.median_latency_ms,
        }

    def _describe(self) -> str:
        if self.retargeter is None:
            return "Measuring the source: the subject should be visible, from the front."
        names = [
            conditioner.spec.name
            for conditioner, gaps in zip(self.retargeter.source.conditioners, self.retargeter.gaps, strict=True)
            if gaps.is_in_gap
        ]
        return f"No detection: {' and '.join(names)}." if names else ""

    def missing_sentences(self) -> Iterator[str]:
        """A sentence for each conditioner without a detection on some frames."""
        retargeter = self.retargeter
        if retargeter is None:
            return
        for conditioner, gaps in zip(retargeter.source.conditioners, retargeter.gaps, strict=True):
            if gaps.num_missing:
                yield (
                    f"{conditioner.spec.name} had no detection on {gaps.num_missing} of {gaps.num_frames} frames; the "
                    "last annotation was repeated there."
                )


@dataclass(frozen=True)
class _LiveJob:
    """A source, a model, and what they have done so far."""

    request: LiveRequest
    model: LoadedModel
    source: LiveSource
    state: _LiveState
    emit: EventHandler

    def render(self) -> Iterator[tuple[FrameRenderer, RenderedFrame]]:
        """Measure the source, then yield the generated frames."""
        source, model = self.source, self.model
        with closing(prefetch(source.annotate(), depth=1)) as annotated_frames:
            scan = measure_source(source, annotated_frames, self.emit)
            retargeter = Retargeter(source.video, scan, model.metadata, retarget=self.request.retarget)
            self.state.retargeter = retargeter
            renderer = model.renderer(source.video.conditioners, retargeter.views)
            num_given_frames = model.initial_frame.num_given_frames
            frames = source.skip(retargeter.retarget_shot(annotated_frames), num_given_frames)
            for rendered_frame in renderer.render(frames, num_given_frames=num_given_frames):
                yield renderer, rendered_frame

    def run(self, output: _Output) -> Vid2VidError | None:
        """Show frames until the end; return the error that ended a run which has shown some."""
        statistics, end_time = self.state.statistics, None
        with ExitStack() as stack:
            stack.enter_context(self.state.capture)
            frames = stack.enter_context(closing(prefetch(self.render(), depth=1)))
            stack.callback(self.source.stop)
            try:
                for renderer, frame in frames:
                    capture_time = self.source.gate.mark_shown()
                    output.show(renderer.comparison_image(frame) if self.request.compare else frame.image, capture_time)
                    statistics.add(capture_time)
                    self.emit(ProgressEvent("live", statistics.num_shown, None))
                    if self.request.max_seconds is not None:
                        end_time = end_time or time.monotonic() + self.request.max_seconds
                        if time.monotonic() >= end_time:
                            return None
            except KeyboardInterrupt:
                return None
            except Vid2VidError as error:
                if not statistics.num_shown:
                    raise
                return error
        return None


def live(request: LiveRequest, on_event: EventHandler) -> LiveResult:
    """Show the newest frames until the source ends, the time is over, or KeyboardInterrupt, which is a normal end.

    Frames that arrive while others are rendered are dropped, and memory does not grow. The first frames with a
    detection are measured, in place of the scan of `transfer`, and are not shown. If the camera is lost, a file
    contains the frames until then.

    Raises CameraError, MissingFileError, NotAVideoError, NoFramesError, NoDetectionError, ConfigError,
    ForeignCheckpointError, TruncatedCheckpointError, PluginError, MissingPackageError, DeviceError, DiskFullError,
    PermissionDeniedError, OutputExistsError.
    """
    path = _output_path(request)
    job = _open_job(request, on_event)
    state, url = job.state, ""
    if path is None:
        with LivePage(request.host, request.port, request.token, state.to_json) as page:
            url = page.url
            on_event(InfoEvent(f"Open {url} in a browser; Ctrl-C ends the program"))
            error = job.run(page)
    else:
        with LiveFile(path, state.capture.fps) as file:
            error = job.run(file)
    for sentence in state.missing_sentences():
        on_event(WarningEvent(sentence))
    if error is not None:
        if path is not None:
            on_event(InfoEvent(f"{path} contains the frames until then"))
        raise error
    return LiveResult(path, url, state.statistics.total(), state.capture.num_captured, state.capture.num_dropped)


def _open_job(request: LiveRequest, emit: EventHandler) -> _LiveJob:
    checkpoint = open_checkpoint(request.target, "frames")
    check_direction(checkpoint, request.direction)
    metadata = checkpoint.metadata
    conditioners = _load_conditioners(request, metadata)
    capture = LiveCapture(request.source, max_short_side=max_short_side(metadata), is_looped=request.loop)
    name = capture.live_input.describe()
    model = load_requested_model(checkpoint, request, emit).with_direction(request.direction, emit)
    emit(InfoEvent(f"{name} -> {metadata.name} on {model.hardware.describe()}"))
    return _LiveJob(
        request,
        model.with_options(StyleOptions(), request.initial_frame, has_real_frames=False, emit=emit),
        LiveSource(SourceVideo(Path(name), capture, conditioners), capture),
        _LiveState(f"{name} as {metadata.name}", capture),
        emit,
    )


def _load_conditioners(request: LiveRequest, metadata: CheckpointMetadata) -> tuple[Conditioner, ...]:
    names = [conditioner.name for conditioner in metadata.conditioners]
    conditioners = load_source_conditioners(metadata, add_person_option(request.options, names, request.person))
    for conditioner in conditioners:
        if has_input_files(conditioner):
            raise ConfigError(
                f"{conditioner.spec.name} reads labels from files, which a live source does not have.",
                f"Remove {conditioner.spec.name}.{conditioner.input_option}, or use vid2vid transfer.",
            )
    require_input_files(metadata, conditioners)
    check_conditioners(conditioners)
    return conditioners


def _output_path(request: LiveRequest) -> Path | None:
    """The video to write; None for a page."""
    if request.to == PAGE:
        return None
    path = Path(request.to)
    check_output_path(path)
    return choose_output_path(path, Path("live.mp4"), overwrite=request.overwrite)
