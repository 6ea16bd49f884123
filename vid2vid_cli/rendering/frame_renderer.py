"""Generates frames from annotations and writes them as a video. Rendering, generation and encoding overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import KW_ONLY, dataclass
from itertools import chain, count, islice
from typing import Literal

import numpy as np
import torch

from vid2vid_cli.conditioning import FRAME_CONDITIONER, Conditioner, View
from vid2vid_cli.conditioning.combine import condition_image
from vid2vid_cli.conditioning.instances import InstanceReader
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.core.types import FrameReferences
from vid2vid_cli.data.clip_sampler import render_conditions
from vid2vid_cli.data.frame_tensor import condition_to_tensor, frame_to_tensor
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.engine.inference import to_uint8_image, to_uint16_image
from vid2vid_cli.engine.rollout import PastFrames, SequentialGenerator, rollout
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.style_bank import StyleAssigner
from vid2vid_cli.media.segments import blend_alpha
from vid2vid_cli.rendering.frames import AnnotatedFrame, RenderedFrame
from vid2vid_cli.rendering.initial_frame import ZERO_FRAMES, InitialFrame
from vid2vid_cli.rendering.layers import layer_image
from vid2vid_cli.rendering.reference_inputs import ReferenceInputs
from vid2vid_cli.reports.comparison_video import compose_panels
from vid2vid_cli.requests.render import Layer


@dataclass(frozen=True)
class _ConditionedFrame:
    """An annotated frame and its condition channels."""

    source: AnnotatedFrame
    conditions: torch.Tensor
    """(c, h, w) channels of the conditioners, then of the styles."""
    references: FrameReferences | None
    """Of a model with reference frames."""


@dataclass
class ResumePoint:
    """Where an interrupted video is continued."""

    num_frames: int = 0
    """Frames that are still to be passed over, because they were generated before."""
    past: tuple[torch.Tensor, ...] = ()
    """`RenderedFrame.past` of the last of them."""


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
    reference_bank: ReferenceBank | None = None
    layers: tuple[Layer, ...] = ()
    """What rendered frames contain in addition to the image."""
    bit_depth: Literal[8, 16] = 8
    """Of the generated images."""

    def render(
        self,
        annotated_frames: Iterable[AnnotatedFrame],
        *,
        num_given_frames: int = 0,
        resume: ResumePoint | None = None,
    ) -> Iterator[RenderedFrame]:
        """Generate one frame per annotated frame of a clip, in order, except for the first `num_given_frames`.

        Those are the past of the first generated frame. A thread renders the conditions and prepares the references
        ahead. `resume`: its first frames are passed over, and subtracted from it; the clip may end before all are.
        """
        resume = ResumePoint() if resume is None else resume
        is_continued = resume.num_frames > 0
        num_passed = num_given_frames + resume.num_frames
        first_needed = num_passed - (self.generator.window_size - 1) if is_continued else 0
        frame_numbers = count()
        frames = (frame for frame, _ in zip(annotated_frames, frame_numbers, strict=False))
        with closing(prefetch(self._render_conditions(frames, first_needed), depth=2)) as conditioned_frames:
            pending_frames: list[AnnotatedFrame] = []
            pending_references: deque[FrameReferences] = deque()
            given_frames = list(islice(conditioned_frames, num_passed - max(0, first_needed)))
            first_frames = list(islice(conditioned_frames, 1))
            resume.num_frames = 0 if first_frames else min(resume.num_frames, num_passed - next(frame_numbers))
            if not first_frames:
                return

            def iterate_conditions() -> Iterator[torch.Tensor]:
                for conditioned_frame in chain(first_frames, conditioned_frames):
                    pending_frames.append(conditioned_frame.source)
                    if conditioned_frame.references is not None:
                        pending_references.append(conditioned_frame.references)
                    yield self._to_batch(conditioned_frame.conditions)

            past_frames = PastFrames(list(resume.past)) if is_continued else PastFrames()
            outputs = rollout(
                self.generator,
                iterate_conditions(),
                initial_frames=None if is_continued else self._initial_frames(given_frames or first_frames),
                past_conditions=[self._to_batch(given_frame.conditions) for given_frame in given_frames],
                references=None if self.reference_bank is None else (pending_references.popleft() for _ in count()),
                past_frames=past_frames,
            )
            while True:
                # These settings apply to the whole thread: they must end before the yield.
                with self.runtime.inference():
                    output = next(outputs, None)
                    if output is None:
                        return
                    image = (to_uint16_image if self.bit_depth == 16 else to_uint8_image)(output.image[0])
                    layers = {layer: layer_image(output, layer) for layer in self.layers}
                    share = None if output.occlusion is None else float(output.occlusion.mean())
                yield RenderedFrame(pending_frames.pop(), image, layers, share, tuple(past_frames.frames))

    def _to_batch(self, conditions: torch.Tensor) -> torch.Tensor:
        """(c, h, w) -> (1, c, h, w) on the device."""
        return conditions[None].to(self.runtime.device, non_blocking=True).float()

    @torch.inference_mode()
    def _initial_frames(self, conditioned_frames: Sequence[_ConditionedFrame]) -> torch.Tensor | None:
        """The initial frames for these frames of a clip, (1, n, 3, h, w); None for zeros."""
        sources = [conditioned.source.cropped_frame for conditioned in conditioned_frames]
        frames = [None if frame is None else frame_to_tensor(frame)[None] for frame in sources]
        num_channels = sum(conditioner.num_channels for conditioner in self.conditioners)  # without the styles
        conditions = [self._to_batch(conditioned.conditions[:num_channels]) for conditioned in conditioned_frames]
        with self.runtime.autocast():
            return self.initial_frame(frames, conditions)

    def _render_conditions(
        self, annotated_frames: Iterable[AnnotatedFrame], first_index: int = 0
    ) -> Iterator[_ConditionedFrame]:
        """Yield the frames from `first_index`. References are selected for all: later ones depend on earlier ones."""
        instance_reader = (
            None
            if self.style_assigner is None
            else InstanceReader(self.conditioners, self.views, self.style_assigner.bank.thing_class_ids)
        )
        bank = self.reference_bank
        inputs = None if bank is None else ReferenceInputs(bank, self.generator, self.runtime)
        for index, annotated_frame in enumerate(annotated_frames):
            selected = None if inputs is None else inputs.select(annotated_frame.annotations, self.views)
            if index < first_index:
                continue
            channels = render_conditions(self.conditioners, annotated_frame.annotations, self.views)
            if self.style_assigner is not None and instance_reader is not None:
                channels = np.concatenate([channels, self.style_assigner(instance_reader(annotated_frame.annotations))])
            # Converting the memory format here takes no time of the generator's thread. A window of several frames is
            # concatenated later, which would undo the conversion.
            channels_last = self.runtime.channels_last and self.generator.window_size == 1
            conditions = condition_to_tensor(channels, channels_last=channels_last)
            height, width = conditions.shape[-2:]
            references = None if inputs is None or selected is None else inputs.load(selected, height, width)
            yield _ConditionedFrame(annotated_frame, conditions, references)

    def comparison_image(self, rendered_frame: RenderedFrame, result: ImageArray | None = None) -> ImageArray:
        """`comparison_images` side by side, at the height of the generated frame, or MIN_PANEL_HEIGHT pixels high."""
        return compose_panels(self.comparison_images(rendered_frame, result), rendered_frame.image.shape[0])

    def comparison_images(
        self, rendered_frame: RenderedFrame, result: ImageArray | None = None
    ) -> dict[str, ImageArray]:
        """The source frame (if any), the condition and the result: the composited frame, or the generated one."""
        source = rendered_frame.source
        images = {"result": blend_alpha(rendered_frame.image) if result is None else result}
        if [conditioner.spec.name for conditioner in self.conditioners] != [FRAME_CONDITIONER]:  # it is the source
            images = {"condition": condition_image(self.conditioners, source.annotations, self.views), **images}
        if source.cropped_frame is not None:
            images = {"source": source.cropped_frame, **images}
        return images
