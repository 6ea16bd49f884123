"""The stages of `transfer` one at a time, on the same frames: for measurements."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path

import torch

from vid2vid_cli.conditioning import Annotation, VideoFrame
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.types import FrameReferences
from vid2vid_cli.data.clip_sampler import render_conditions
from vid2vid_cli.data.frame_tensor import condition_to_tensor
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.rendering.frames import AnnotatedFrame, RenderedFrame
from vid2vid_cli.rendering.loaded_model import LoadedModel
from vid2vid_cli.rendering.reference_inputs import ReferenceInputs
from vid2vid_cli.rendering.retargeter import Retargeter
from vid2vid_cli.rendering.source_conditioners import load_source_conditioners, require_input_files
from vid2vid_cli.rendering.source_reader import open_source_reader
from vid2vid_cli.rendering.source_video import SourceVideo
from vid2vid_cli.requests.render import StyleOptions


class TransferStages:
    """The inputs and outputs of every stage of one transfer, in memory; each method computes one stage again.

    `out` is the file that `encode` and `compare` write. Raises the errors of `transfer`.
    """

    def __init__(self, model: LoadedModel, video: Path, out: Path, *, max_frames: int) -> None:
        metadata = model.metadata
        conditioners = load_source_conditioners(metadata, {})
        require_input_files(metadata, conditioners)
        self.runtime, self.out = model.runtime, out
        self.source = SourceVideo(video, open_source_reader(video, metadata, max_frames=max_frames), conditioners)
        scan = self.source.scan(ignore_events, keeps_head=False)
        self.retargeter = Retargeter(self.source, scan, metadata, retarget=True)
        ready_model = model.with_options(StyleOptions(), "zeros", has_real_frames=False, emit=ignore_events)
        self.renderer = ready_model.renderer(conditioners, self.retargeter.views)
        self.frames = self.decode()
        self.detections = self.detect()
        self.source_frames, self.conditions = self.draw()
        self.images: list[ImageArray] = []

    @property
    def has_references(self) -> bool:
        """Whether the model has reference frames."""
        return self.renderer.reference_bank is not None

    def decode(self) -> list[ImageArray]:
        """Decode and resize the frames."""
        return list(self.source.reader)

    def decode_and_drop(self) -> None:
        """Decode as a transfer does, which does not keep the frames: memory for all of them takes time."""
        deque(self.source.reader, maxlen=0)

    def draw_and_drop(self) -> None:
        """Retarget and draw as a transfer does, which does not keep the conditions."""
        deque(self._iterate_drawn(), maxlen=0)

    def detect(self) -> list[tuple[Annotation, ...]]:
        """Annotate the frames, each conditioner on its own."""
        frames = [VideoFrame(frame) for frame in self.frames]
        streams = [list(conditioner.annotate(frames)) for conditioner in self.source.bind_conditioners()]
        return list(zip(*streams, strict=True))

    def draw(self) -> tuple[list[AnnotatedFrame], list[torch.Tensor]]:
        """Retarget the annotations and render the condition channels (c, h, w)."""
        drawn = list(self._iterate_drawn())
        return [frame for frame, _ in drawn], [conditions for _, conditions in drawn]

    def _iterate_drawn(self) -> Iterator[tuple[AnnotatedFrame, torch.Tensor]]:
        annotated = (
            AnnotatedFrame(frame, False, annotations)
            for frame, annotations in zip(self.frames, self.detections, strict=True)
        )
        renderer = self.renderer
        channels_last = self.runtime.channels_last and renderer.generator.window_size == 1
        for frame in self.retargeter.retarget_shot(annotated):
            channels = render_conditions(renderer.conditioners, frame.annotations, renderer.views)
            yield frame, condition_to_tensor(channels, channels_last=channels_last)

    def prepare_references(self) -> None:
        """Select, align and embed the reference frames, if any, as a transfer does, which does not keep them."""
        deque(self._iterate_references(), maxlen=0)

    def _iterate_references(self) -> Iterator[FrameReferences]:
        bank = self.renderer.reference_bank
        if bank is None:
            return
        inputs = ReferenceInputs(bank, self.renderer.generator, self.runtime)
        for frame, conditions in zip(self.source_frames, self.conditions, strict=True):
            height, width = conditions.shape[-2:]
            yield inputs.load(inputs.select(frame.annotations, self.renderer.views), height, width)

    def generate(self, num_frames: int | None = None) -> list[ImageArray]:
        """Generate the first `num_frames` frames, or all; the references are prepared too."""
        references = self._iterate_references() if self.has_references else None
        return self._generate(self.conditions[:num_frames], references)

    def generate_from_prepared(self) -> list[ImageArray]:
        """Generate all frames from the references of the first one: the time does not depend on the values.

        One more reference, while another is faded out, is not measured.
        """
        references = repeat(next(self._iterate_references())) if self.has_references else None
        return self._generate(self.conditions, references)

    def _generate(
        self, conditions: Iterable[torch.Tensor], references: Iterable[FrameReferences] | None
    ) -> list[ImageArray]:
        batches = (channels[None].to(self.runtime.device).float() for channels in conditions)
        with self.runtime.inference():
            outputs = rollout(self.renderer.generator, batches, references=references)
            return [to_uint8_image(output.image[0]) for output in outputs]

    def encode(self) -> None:
        """Encode the generated frames."""
        self._write(self.images)

    def compare(self) -> None:
        """Draw and encode the comparison video."""
        self._write(self._comparison_images())

    def limit_frames(self, num_frames: int) -> None:
        """Keep the first frames only, and generate them."""
        self.frames, self.detections = self.frames[:num_frames], self.detections[:num_frames]
        self.source_frames, self.conditions = self.source_frames[:num_frames], self.conditions[:num_frames]
        self.images = self.generate()

    def _comparison_images(self) -> Iterator[ImageArray]:
        for source, image in zip(self.source_frames, self.images, strict=True):
            yield self.renderer.comparison_image(RenderedFrame(source, image))

    def _write(self, images: Iterable[ImageArray]) -> None:
        with VideoWriter(self.out, self.source.reader.fps) as writer:
            for image in images:
                writer.write(image)


STAGES: dict[str, Callable[[TransferStages], object]] = {
    "decode": TransferStages.decode_and_drop,
    "detect": TransferStages.detect,
    "retarget and draw": TransferStages.draw_and_drop,
    "select, align and embed references": TransferStages.prepare_references,
    "generate": TransferStages.generate_from_prepared,
    "encode": TransferStages.encode,
    "compare and encode": TransferStages.compare,
}
"""In the order of the data. The last one only runs with a comparison video."""
