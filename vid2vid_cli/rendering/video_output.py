"""Writes rendered clips as a video, and the comparison video. Generation and encoding overlap."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from vid2vid_cli.core.errors import NoFramesError
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.engine.events import EventHandler, InfoEvent, ProgressEvent, WarningEvent
from vid2vid_cli.media.images import Image
from vid2vid_cli.media.output_formats import OUTPUT_FORMATS, OutputFormat, format_of_suffix
from vid2vid_cli.media.segments import VideoSettings, blend_alpha
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT
from vid2vid_cli.rendering.frame_renderer import FrameRenderer, ResumePoint
from vid2vid_cli.rendering.frames import AnnotatedFrame, RenderedFrame
from vid2vid_cli.rendering.layers import layer_path
from vid2vid_cli.rendering.side_outputs import FrameLog
from vid2vid_cli.rendering.unfinished_video import UnfinishedVideo
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
    output_format: OutputFormat | None = None
    """None: that of the suffix."""
    has_alpha: bool = False
    """Whether the frames have an alpha channel; those of the comparison have none."""
    audio_path: Path | None = None
    """File whose audio is copied."""
    audio_start: float = 0.0
    """Time in that file, in seconds, at which the video starts."""
    comment: str = SYNTHETIC_COMMENT
    """Comment of all files."""
    layers: tuple[Layer, ...] = ()
    """What is written beside the video, see `layer_path`."""
    identity: Mapping[str, str] = field(default_factory=dict)
    """What the video is made of, by name; a video that another process left is continued if its identity is equal."""
    resume: bool = True
    """Whether such a video is continued; False discards it."""

    def settings(self) -> dict[Path, VideoSettings]:
        """The settings of the video, of the comparison and of the layers."""

        def make(path: Path, output_format: OutputFormat | None, *, has_alpha: bool) -> VideoSettings:
            chosen_format = output_format or format_of_suffix(path) or OUTPUT_FORMATS["mp4"]
            return VideoSettings(
                output_format=chosen_format,
                fps=self.fps,
                has_alpha=has_alpha,
                audio_path=self.audio_path if chosen_format.has_audio else None,
                audio_start=self.audio_start,
                comment=self.comment,
            )

        videos = {self.path: make(self.path, self.output_format, has_alpha=self.has_alpha)}
        if self.compare_path is not None:
            videos[self.compare_path] = make(self.compare_path, None, has_alpha=False)
        for path in self.layer_paths.values():
            videos[path] = replace(make(path, None, has_alpha=False), audio_path=None)
        return videos

    @property
    def layer_paths(self) -> dict[Layer, Path]:
        """The video of each layer."""
        return {layer: layer_path(self.path, layer) for layer in self.layers}


@dataclass(frozen=True)
class RenderResult:
    """A rendered video."""

    path: Path
    compare_path: Path | None
    num_frames: int
    elapsed_seconds: float
    fps: Fraction
    num_earlier_frames: int = 0
    """Of these, the frames that an interrupted command had written before."""
    layer_paths: Mapping[Layer, Path] = field(default_factory=dict)
    """The video of each layer."""
    report_path: Path | None = None
    """The report; None without a comparison video."""
    frame_log: FrameLog = field(default_factory=FrameLog, repr=False, compare=False)
    """Values per frame, for the report."""


Composite = Callable[[Iterator[RenderedFrame]], Iterator[tuple[RenderedFrame, Image]]]
"""Yields each frame with the image that is written."""


def write_video(
    clips: Iterable[RenderClip],
    output: VideoOutput,
    num_expected_frames: int | None,
    *,
    stage: str,
    emit: EventHandler,
    composite: Composite | None = None,
    on_resume: Callable[[int], None] = lambda num_frames: None,
) -> RenderResult:
    """Render clips one after another, each without the past frames of the previous one, and write them as one video.

    Generation runs in its own thread, parallel to encoding. A video that an interrupted command left unfinished is
    continued; its frames are read and annotated again, but not generated. `on_resume` is called with their number.

    Raises DiskFullError, PermissionDeniedError, NoFramesError (no clip has output frames), OutputExistsError (another
    process is writing the video), RunError (it is unfinished, and was begun from something else) and the errors of the
    source. After an error the complete segments of the video remain, and no other file.
    """
    start_time = time.monotonic()
    with UnfinishedVideo(output.settings(), output.identity, resume=output.resume) as unfinished:
        num_earlier_frames = unfinished.progress.num_frames
        num_frames, log = num_earlier_frames, FrameLog(num_frames=num_earlier_frames)
        if not unfinished.progress.is_complete:
            resume = ResumePoint()
            if num_frames:
                resume = ResumePoint(num_frames, unfinished.load_past())
                on_resume(num_frames)
                emit(InfoEvent(f"{output.path}: {num_frames} frames were written before; it is continued after them"))
            renderer = _ClipRenderer(clips, resume)
            with ExitStack() as stack:
                frames: Iterator[RenderedFrame] = stack.enter_context(closing(prefetch(renderer.render(), depth=4)))
                images = ((frame, frame.image) for frame in frames)
                if composite is not None:
                    images = stack.enter_context(closing(prefetch(composite(frames), depth=2)))
                for frame, image in images:
                    frame_renderer = renderer.renderers.popleft()
                    written = [image]
                    if output.compare_path is not None:
                        result = None if composite is None else blend_alpha(image)
                        written.append(frame_renderer.comparison_image(frame, result))
                    unfinished.write([*written, *(frame.layers[layer] for layer in output.layers)], frame.past)
                    log.add(frame_renderer, frame)
                    num_frames += 1
                    emit(ProgressEvent(stage, num_frames, num_expected_frames))
            _report_empty_clips(renderer.empty_clips, num_frames, emit)
        if not num_frames:
            raise NoFramesError(f"{output.path} was not written: there are no frames.", "Check the input.")
        unfinished.finish()
    elapsed_seconds = time.monotonic() - start_time
    return RenderResult(
        output.path,
        output.compare_path,
        num_frames,
        elapsed_seconds,
        output.fps,
        num_earlier_frames,
        output.layer_paths,
        frame_log=log,
    )


class _ClipRenderer:
    """Renders clips as one stream, and keeps what the consumer needs in the order of the frames."""

    def __init__(self, clips: Iterable[RenderClip], resume: ResumePoint) -> None:
        self._clips, self._resume = clips, resume
        self.renderers: deque[FrameRenderer] = deque()
        """That of each frame."""
        self.empty_clips: list[RenderClip] = []

    def render(self) -> Iterator[RenderedFrame]:
        """Yield the frames of all clips, except for those that the resume point passes over."""
        for clip in self._clips:
            num_passed, is_empty = self._resume.num_frames, True
            for frame in clip.renderer.render(clip.frames, num_given_frames=clip.num_given_frames, resume=self._resume):
                is_empty = False
                self.renderers.append(clip.renderer)
                yield frame
            if is_empty and num_passed == self._resume.num_frames:
                self.empty_clips.append(clip)


def _report_empty_clips(empty_clips: Sequence[RenderClip], num_frames: int, emit: EventHandler) -> None:
    """Warn about clips without output frames; raise NoFramesError if there are no output frames at all."""
    if empty_clips:
        message = f"--initial-frame published: {len(empty_clips)} clips have given frames only, and no output."
        if not num_frames:
            raise NoFramesError(message, "Use longer clips, or another --initial-frame.")
        emit(WarningEvent(message))
