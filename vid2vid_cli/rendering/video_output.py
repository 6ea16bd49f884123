"""Writes rendered clips as a video, and the comparison video. Generation and encoding overlap."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction
from pathlib import Path

from vid2vid_cli.core.errors import NoFramesError
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.engine.events import EventHandler, ProgressEvent, WarningEvent
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT, VideoWriter
from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.frames import AnnotatedFrame, RenderedFrame
from vid2vid_cli.rendering.side_outputs import FrameLog, SideOutputs
from vid2vid_cli.requests.render import Layer


@dataclass(frozen=True)
class RenderClip:
    """The annotated frames of a clip and the renderer that generates from them."""

    renderer: FrameRenderer
    frames: Iterable[AnnotatedFrame]
    source_size: tuple[int, int]
    """(height, width) in pixels of the source's frames as stored; boxes of label edits refer to it."""
    num_given_frames: int = 0
    """Frames at the start without output; see `initial_frame`."""


@dataclass(frozen=True)
class VideoOutput:
    """The files that are written, and their frame rate and audio."""

    path: Path
    compare_path: Path | None
    """Video of source, condition and result side by side; None to omit it."""
    fps: Fraction
    _: KW_ONLY
    audio_path: Path | None = None
    """File whose audio is copied."""
    audio_start: float = 0.0
    """Time in that file, in seconds, at which the video starts."""
    comment: str = SYNTHETIC_COMMENT
    """Comment of all files."""
    layers: tuple[Layer, ...] = ()
    """What is written beside the video, see `layer_path`."""


@dataclass(frozen=True)
class RenderResult:
    """A rendered video."""

    path: Path
    compare_path: Path | None
    num_frames: int
    elapsed_seconds: float
    fps: Fraction
    layer_paths: Mapping[Layer, Path] = field(default_factory=dict)
    """The video of each layer."""
    report_path: Path | None = None
    """The report; None without a comparison video."""
    frame_log: FrameLog = field(default_factory=FrameLog, repr=False, compare=False)
    """Values per frame, for the report."""


def write_video(
    clips: Iterable[RenderClip],
    output: VideoOutput,
    num_expected_frames: int | None,
    *,
    stage: str,
    emit: EventHandler,
) -> RenderResult:
    """Render clips one after another, each without the past frames of the previous one, and write them as one video.

    Generation runs in its own thread, parallel to encoding. Raises DiskFullError, PermissionDeniedError, NoFramesError
    (no clip has output frames) and the errors of the source; after an error no incomplete file remains.
    """
    start_time = time.monotonic()
    empty_clips: list[RenderClip] = []

    def render_clips() -> Iterator[tuple[FrameRenderer, RenderedFrame]]:
        for clip in clips:
            is_empty = True
            for rendered_frame in clip.renderer.render(clip.frames, num_given_frames=clip.num_given_frames):
                is_empty = False
                yield clip.renderer, rendered_frame
            if is_empty:
                empty_clips.append(clip)

    num_frames = 0
    with ExitStack() as stack:
        paths = [output.path] if output.compare_path is None else [output.path, output.compare_path]
        video_writer, *compare_writers = [
            stack.enter_context(
                VideoWriter(
                    path,
                    output.fps,
                    comment=output.comment,
                    audio_path=output.audio_path,
                    audio_start=output.audio_start,
                )
            )
            for path in paths
        ]
        side_outputs = stack.enter_context(SideOutputs(output.path, output.fps, output.layers, output.comment))
        for renderer, rendered_frame in stack.enter_context(closing(prefetch(render_clips(), depth=4))):
            video_writer.write(rendered_frame.image)
            for compare_writer in compare_writers:
                compare_writer.write(renderer.comparison_image(rendered_frame))
            side_outputs.add(renderer, rendered_frame)
            num_frames += 1
            emit(ProgressEvent(stage, num_frames, num_expected_frames))
        _report_empty_clips(empty_clips, num_frames, emit)
    return RenderResult(
        output.path,
        output.compare_path,
        num_frames,
        time.monotonic() - start_time,
        output.fps,
        side_outputs.paths,
        frame_log=side_outputs.log,
    )


def _report_empty_clips(empty_clips: Sequence[RenderClip], num_frames: int, emit: EventHandler) -> None:
    """Warn about clips without output frames; raise NoFramesError if there are no output frames at all."""
    if empty_clips:
        message = f"--initial-frame published: {len(empty_clips)} clips have given frames only, and no output."
        if not num_frames:
            raise NoFramesError(message, "Use longer clips, or another --initial-frame.")
        emit(WarningEvent(message))
