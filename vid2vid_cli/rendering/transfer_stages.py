"""The stages of `transfer` one at a time, on the same frames: for measurements."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch

from vid2vid_cli.conditioning import Annotation, VideoFrame
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.data.clip_sampler import render_conditions
from vid2vid_cli.data.frame_tensor import condition_to_tensor
from vid2vid_cli.data.reference_selection import ReferenceLoader, ReferenceSelector, SelectedReferences
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.rendering.frames import AnnotatedFrame, RenderedFrame
from vid2vid_cli.rendering.loaded_model import LoadedModel
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
        self.retargeter = Retargeter(self.source, self.source.scan(ignore_events), metadata, retarget=True)
        ready_model = model.with_options(StyleOptions(), "zeros", has_real_frames=False, emit=ignore_events)
        self.renderer = ready_model.renderer(conditioners, self.retargeter.views)
        self.frames = self.decode()
        self.detections = self.detect()
        self.source_frames, self.conditions = self.draw()
        self.references = self.select_references()
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

    def select_references(self) -> list[SelectedReferences]:
        """Select and align the reference frames; [] for a model without."""
        if self.renderer.reference_bank is None:
            return []
        selector = ReferenceSelector(self.renderer.reference_bank)
        return [selector(frame.annotations, self.renderer.views) for frame in self.source_frames]

    def generate(self, num_frames: int | None = None) -> list[ImageArray]:
        """Generate the first `num_frames` frames, or all."""
        device, bank = self.runtime.device, self.renderer.reference_bank
        conditions = (channels[None].to(device).float() for channels in self.conditions[:num_frames])
        references = None if bank is None else map(ReferenceLoader(bank, device).load, self.references)
        with self.runtime.inference():
            outputs = rollout(self.renderer.generator, conditions, references=references)
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
        self.references = self.references[:num_frames]
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
    "select and align references": TransferStages.select_references,
    "generate": TransferStages.generate,
    "encode": TransferStages.encode,
    "compare and encode": TransferStages.compare,
}
"""In the order of the data. The last one only runs with a comparison video."""
