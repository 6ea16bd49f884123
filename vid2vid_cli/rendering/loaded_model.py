"""Opening a checkpoint for inference: metadata, generator, runtime, styles and initial frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Literal

from vid2vid_cli.conditioning import Conditioner, View
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, load_metadata
from vid2vid_cli.engine.events import EventHandler
from vid2vid_cli.engine.run_folder import resolve_checkpoint
from vid2vid_cli.engine.runtime import Runtime, choose_runtime
from vid2vid_cli.engine.styles import StyleAssigner
from vid2vid_cli.networks.generators import Generator
from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.initial_frame import ZERO_FRAMES, InitialFrame, load_initial_frame
from vid2vid_cli.rendering.style_options import build_style_assigner
from vid2vid_cli.requests.render import StyleOptions
from vid2vid_cli.training_data.reference_collection import load_reference_bank


@dataclass(frozen=True)
class CheckpointFile:
    """A `.ckpt` whose metadata has been read."""

    path: Path
    metadata: CheckpointMetadata

    @property
    def size_text(self) -> str:
        """Name and size of the generated frames, for --dry-run."""
        height, width = self.metadata.output_size
        return f"{self.metadata.name}, {width}x{height}"


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint that is ready for inference."""

    path: Path
    metadata: CheckpointMetadata
    generator: Generator
    _: KW_ONLY
    runtime: Runtime
    style_assigner: StyleAssigner | None = None
    initial_frame: InitialFrame = ZERO_FRAMES
    reference_bank: ReferenceBank | None = None

    def with_options(
        self,
        style_options: StyleOptions,
        initial_frame: str | None,
        *,
        has_real_frames: bool,
        emit: EventHandler,
    ) -> LoadedModel:
        """The model with its style assigner and initial frame.

        `has_real_frames`: whether clips have real frames of the target. Raises the errors of `build_style_assigner`
        and `load_initial_frame`.
        """
        return replace(
            self,
            style_assigner=build_style_assigner(
                style_options, self.metadata, self.generator, runtime=self.runtime, emit=emit
            ),
            initial_frame=load_initial_frame(
                initial_frame,
                self.metadata,
                self.path,
                runtime=self.runtime,
                emit=emit,
                has_real_frames=has_real_frames,
            ),
        )

    def renderer(self, conditioners: Sequence[Conditioner], views: Sequence[View]) -> FrameRenderer:
        """The renderer of frames with these conditioners, one view per conditioner."""
        return FrameRenderer(
            self.generator,
            tuple(conditioners),
            tuple(views),
            runtime=self.runtime,
            style_assigner=self.style_assigner,
            initial_frame=self.initial_frame,
            reference_bank=self.reference_bank,
        )


def open_checkpoint(path: Path, target: Literal["frames", "labels"]) -> CheckpointFile:
    """Read the metadata of a `.ckpt` or of the result in a run folder.

    Raises ConfigError if it does not generate `target`, and the errors of `resolve_checkpoint` and `load_metadata`.
    """
    checkpoint_path = resolve_checkpoint(path)
    metadata = load_metadata(checkpoint_path)
    metadata.require_target(checkpoint_path, target)
    return CheckpointFile(checkpoint_path, metadata)


def load_model(checkpoint: CheckpointFile, device: str, precision: str) -> LoadedModel:
    """Load the generator. Raises DeviceError and the errors of `load_checkpoint`."""
    runtime = choose_runtime(device, precision)
    generator, _ = load_checkpoint(checkpoint.path, runtime)
    return LoadedModel(
        checkpoint.path,
        checkpoint.metadata,
        generator,
        runtime=runtime,
        reference_bank=load_reference_bank(checkpoint.path, checkpoint.metadata),
    )
