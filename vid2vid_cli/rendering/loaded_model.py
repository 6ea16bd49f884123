"""A checkpoint that is ready for inference: generator, runtime, styles and initial frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Literal

from torch import nn

from vid2vid_cli.conditioning import Conditioner, View
from vid2vid_cli.core.model_specs import Direction
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.compilation import compile_errors, compile_networks
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.engine.onnx_files import is_exported, metadata_path
from vid2vid_cli.engine.onnx_generator import OnnxGenerator
from vid2vid_cli.engine.rollout import SequentialGenerator
from vid2vid_cli.engine.runtime import Runtime, choose_device, choose_runtime, cpu_runtimes
from vid2vid_cli.engine.style_bank import StyleAssigner
from vid2vid_cli.engine.traced_generator import TraceableGenerator, TracedGenerator
from vid2vid_cli.networks.bicyclegan import BicycleGenerator, LatentPath
from vid2vid_cli.networks.fader import FaderGenerator
from vid2vid_cli.networks.generators import Generator
from vid2vid_cli.networks.translation import TranslationGenerator
from vid2vid_cli.networks.vaegan import VaeGanGenerator
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile, describe_direction
from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.generator_timing import (
    InputShape,
    MeasuredGenerator,
    choose_fastest,
    set_memory_format,
    time_generator,
)
from vid2vid_cli.rendering.hardware import Hardware, choose_hardware
from vid2vid_cli.rendering.initial_frame import ZERO_FRAMES, InitialFrame, load_initial_frame
from vid2vid_cli.rendering.latent_options import build_attribute_path, build_latent_path
from vid2vid_cli.rendering.style_options import build_style_assigner
from vid2vid_cli.requests.render import Layer, StyleOptions
from vid2vid_cli.training_data.reference_collection import load_reference_bank

COMPILE_NOTICE = "the generator is compiled, which takes minutes at the first time"


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint that is ready for inference."""

    path: Path
    metadata: CheckpointMetadata
    generator: Generator | OnnxGenerator
    _: KW_ONLY
    hardware: Hardware
    style_assigner: StyleAssigner | None = None
    initial_frame: InitialFrame = ZERO_FRAMES
    traced_generator: TracedGenerator | None = None
    """The generator as `rollout` runs it, on the CPU; None for one that is not traced."""
    reference_bank: ReferenceBank | None = None
    latent_path: LatentPath | None = None
    """The generator with a latent or attributes, of a model that has them."""
    layers: tuple[Layer, ...] = ()
    """What rendered frames contain in addition to the image."""
    bit_depth: Literal[8, 16] = 8
    """Of the generated images."""

    @property
    def sequential_generator(self) -> SequentialGenerator:
        """The generator of frames in order, with the style of the options."""
        return self.latent_path or self.traced_generator or self.generator

    @property
    def runtime(self) -> Runtime:
        """Device and precision of the conditions and of other networks."""
        return self.hardware.runtime

    def input_shape(self, size: tuple[int, int]) -> InputShape:
        """The inputs of the generator for frames of `size` (height, width)."""
        num_references = 0 if self.reference_bank is None else self.reference_bank.num_per_frame
        return InputShape(*size, self.metadata.condition_spec.input_channels, num_references)

    def pass_frames(self, num_frames: int) -> None:
        """Continue a moving style after the frames that an interrupted command has generated."""
        if self.latent_path is not None:
            self.latent_path.pass_frames(num_frames)

    def with_direction(self, direction: Direction | None, emit: EventHandler) -> LoadedModel:
        """The model with the direction of an unpaired model, a2b by default; `check_direction` has accepted it."""
        if isinstance(self.generator, TranslationGenerator):
            self.generator.direction = direction or "a2b"
            if direction is None:
                emit(InfoEvent(f"{describe_direction(self.metadata, 'a2b')}; the other direction: --direction b2a"))
        return self

    def with_options(
        self,
        style_options: StyleOptions,
        initial_frame: str | None,
        *,
        has_real_frames: bool,
        num_frames: int = 1,
        emit: EventHandler,
    ) -> LoadedModel:
        """The model with its styles and initial frame.

        `has_real_frames`: whether clips have real frames of the target. `num_frames`: of the video, for `--style-to`.
        Raises the errors of `build_style_assigner`, `build_latent_path` and `load_initial_frame`.
        """
        latent_path = None
        if isinstance(self.generator, BicycleGenerator):
            latent_path = build_latent_path(
                style_options, self.metadata, self.generator, runtime=self.runtime, num_frames=num_frames, emit=emit
            )
        elif isinstance(self.generator, FaderGenerator | VaeGanGenerator):
            latent_path = build_attribute_path(style_options, self.metadata, self.generator, emit)
        return replace(
            self,
            latent_path=latent_path,
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
            self.sequential_generator,
            tuple(conditioners),
            tuple(views),
            runtime=self.runtime,
            style_assigner=self.style_assigner,
            initial_frame=self.initial_frame,
            reference_bank=self.reference_bank,
            layers=self.layers,
            bit_depth=self.bit_depth,
        )


def load_model(
    checkpoint: CheckpointFile,
    device: str,
    precision: str,
    *,
    backend: str = "auto",
    provider: str = "auto",
    is_compiled: bool = False,
    runtime: Runtime | None = None,
) -> LoadedModel:
    """Load the generator, and compile it. `runtime`: used in place of a measured one on the CPU.

    Raises the errors of `choose_hardware`, of `load_checkpoint`, of `OnnxGenerator` for an exported file, and
    DeviceError if it cannot be compiled.
    """
    path, metadata = checkpoint.path, checkpoint.metadata
    compiled_model = metadata.model if is_compiled else ""
    is_free = precision == "auto" and not is_compiled and not is_exported(path)
    is_measured = is_free and choose_device(device).type == "cpu"
    hardware = choose_hardware(
        path,
        device,
        "fp32" if is_measured else precision,
        backend=backend,
        provider=provider,
        compiled_model=compiled_model,
    )
    generator: Generator | OnnxGenerator
    if hardware.provider:
        generator = OnnxGenerator(path, metadata, hardware.provider)
    else:
        generator, _ = load_checkpoint(path, hardware.runtime)
    model = LoadedModel(
        path,
        metadata,
        generator,
        hardware=hardware,
        reference_bank=load_reference_bank(metadata_path(path) if is_exported(path) else path, metadata),
    )
    if is_measured:
        if isinstance(generator, MeasuredGenerator):
            runtime = runtime or choose_fastest(generator, cpu_runtimes(), model.input_shape(metadata.output_size))
            set_memory_format(generator, runtime)
        runtime = runtime or choose_runtime("cpu")  # by a typical convolution
        model = replace(model, hardware=replace(hardware, runtime=runtime))
    if hardware.runtime.is_compiled and isinstance(generator, nn.Module):
        compile_networks([generator])
        shape = model.input_shape(metadata.output_size)
        with compile_errors():
            # One reference more while another is faded out: compiled now, not in the middle of a video.
            for num_references in sorted({shape.num_references, shape.num_references + (shape.num_references > 0)}):
                time_generator(generator, hardware.runtime, replace(shape, num_references=num_references), 0.0)
    if isinstance(generator, TraceableGenerator) and model.runtime.device.type == "cpu" and not is_compiled:
        return replace(model, traced_generator=TracedGenerator(generator, model.runtime))
    return model
