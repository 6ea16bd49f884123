"""Generates frames from annotations and writes them as a video. Rendering, generation and encoding overlap."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch

from vid2vid_cli.conditioning import Conditioner, View
from vid2vid_cli.conditioning.combine import condition_image
from vid2vid_cli.conditioning.instances import InstanceReader
from vid2vid_cli.core.errors import NoFramesError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.data.clip_sampler import frame_to_tensor, render_conditions
from vid2vid_cli.engine.events import EventHandler, ProgressEvent, WarningEvent
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.styles import StyleAssigner
from vid2vid_cli.media.contact_sheet import side_by_side
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT, VideoWriter
from vid2vid_cli.rendering.frames import AnnotatedFrame, RenderedFrame
from vid2vid_cli.rendering.initial_frame import ZERO_FRAMES, InitialFrame


@dataclass(frozen=True)
class _ConditionedFrame:
    """An annotated frame and its condition channels."""

    source: AnnotatedFrame
    conditions: torch.Tensor
    """(c, h, w) channels of the conditioners, then of the styles."""


@dataclass(frozen=True)
class FrameRenderer:
    """Generates the frames of a clip from its annotations."""

    generator: SequentialGenerator
    conditioners: tuple[Conditioner, ...]
    views: tuple[View, ...]
    """One per conditioner, all of the size of the generated frames."""
    _: KW_ONLY
    runtime: Runtime
    style_assigner: StyleAssigner | None = None
    """Assigns a style to each object; None for a generator without styles."""
    initial_frame: InitialFrame = ZERO_FRAMES
    """The frames before the first generated one of a clip; the default is zeros."""

    def render(
        self, annotated_frames: Iterable[AnnotatedFrame], *, num_given_frames: int = 0
    ) -> Iterator[RenderedFrame]:
        """Generate one frame per annotated frame of a clip, in order, except for the first `num_given_frames`.

        Those are the past of the first generated frame. A thread renders the conditions ahead.
        """
        with closing(prefetch(self._render_conditions(annotated_frames), depth=4)) as conditioned_frames:
            pending_frames: list[AnnotatedFrame] = []
            given_frames = list(islice(conditioned_frames, num_given_frames))
            first_frames = list(islice(conditioned_frames, 1))
            if not first_frames:
                return

            def iterate_conditions() -> Iterator[torch.Tensor]:
                for conditioned_frame in chain(first_frames, conditioned_frames):
                    pending_frames.append(conditioned_frame.source)
                    yield self._to_batch(conditioned_frame.conditions)

            outputs = rollout(
                self.generator,
                iterate_conditions(),
                initial_frames=self._initial_frames(given_frames or first_frames),
                past_conditions=[self._to_batch(given_frame.conditions) for given_frame in given_frames],
            )
            while True:
                # Inference mode and autocast apply to the whole thread: they must end before the yield.
                with torch.inference_mode(), self.runtime.autocast():
                    output = next(outputs, None)
                    if output is None:
                        return
                    image = to_uint8_image(output.image[0])
                yield RenderedFrame(pending_frames.pop(), image)

    def _to_batch(self, conditions: torch.Tensor) -> torch.Tensor:
        """(c, h, w) -> (1, c, h, w) on the device."""
        return conditions[None].to(self.runtime.device, non_blocking=True).float()

    @torch.inference_mode()
    def _initial_frames(self, conditioned_frames: Sequence[_ConditionedFrame]) -> torch.Tensor | None:
        """The initial frames for these frames of a clip, (1, n, 3, h, w); None for zeros."""
        sources = [conditioned.source.frame for conditioned in conditioned_frames]
        frames = [None if frame is None else frame_to_tensor(frame)[None] for frame in sources]
        num_channels = sum(conditioner.num_channels for conditioner in self.conditioners)  # without the styles
        conditions = [self._to_batch(conditioned.conditions[:num_channels]) for conditioned in conditioned_frames]
        with self.runtime.autocast():
            return self.initial_frame(frames, conditions)

    def _render_conditions(self, annotated_frames: Iterable[AnnotatedFrame]) -> Iterator[_ConditionedFrame]:
        instance_reader = (
            None
            if self.style_assigner is None
            else InstanceReader(self.conditioners, self.views, self.style_assigner.bank.thing_class_ids)
        )
        for annotated_frame in annotated_frames:
            channels = render_conditions(self.conditioners, annotated_frame.annotations, self.views)
            if self.style_assigner is not None and instance_reader is not None:
                channels = np.concatenate([channels, self.style_assigner(instance_reader(annotated_frame.annotations))])
            conditions = torch.from_numpy(channels)
            # Converting the memory format here takes no time of the generator's thread. A window of several frames is
            # concatenated later, which would undo the conversion.
            if self.generator.window_size == 1:
                conditions = self.runtime.to_memory_format(conditions[None])[0]
            yield _ConditionedFrame(annotated_frame, conditions)

    def comparison_image(self, rendered_frame: RenderedFrame) -> ImageArray:
        """The source frame (if any), the condition and the result side by side, at the height of the result."""
        source = rendered_frame.source
        images = {
            "condition": condition_image(self.conditioners, source.annotations, self.views),
            "result": rendered_frame.image,
        }
        if source.frame is not None:
            images = {"source": source.frame, **images}
        return side_by_side(list(images.values()), list(images), rendered_frame.image.shape[0])


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


@dataclass(frozen=True)
class RenderResult:
    """A rendered video."""

    path: Path
    compare_path: Path | None
    num_frames: int
    elapsed_seconds: float
    fps: Fraction


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
                    comment=SYNTHETIC_COMMENT,
                    audio_path=output.audio_path,
                    audio_start=output.audio_start,
                )
            )
            for path in paths
        ]
        for renderer, rendered_frame in stack.enter_context(closing(prefetch(render_clips(), depth=4))):
            video_writer.write(rendered_frame.image)
            for compare_writer in compare_writers:
                compare_writer.write(renderer.comparison_image(rendered_frame))
            num_frames += 1
            emit(ProgressEvent(stage, num_frames, num_expected_frames))
        _report_empty_clips(empty_clips, num_frames, emit)
    return RenderResult(output.path, output.compare_path, num_frames, time.monotonic() - start_time, output.fps)


def _report_empty_clips(empty_clips: Sequence[RenderClip], num_frames: int, emit: EventHandler) -> None:
    """Warn about clips without output frames; raise NoFramesError if there are no output frames at all."""
    if empty_clips:
        message = f"--initial-frame published: {len(empty_clips)} clips have given frames only, and no output."
        if not num_frames:
            raise NoFramesError(message, "Use longer clips, or another --initial-frame.")
        emit(WarningEvent(message))
