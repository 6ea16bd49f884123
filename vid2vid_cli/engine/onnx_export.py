"""Exports a generator as an ONNX graph of one step of the rollout; `onnx_generator` runs it.

Inputs and outputs are those of `SequentialGenerator`. The input `first_frame`, 1 for the first frame of a clip without
initial frames and otherwise 0, replaces `is_first_frame`: it raises the logits of the occlusion masks until the masks
are 1 and nothing is warped. So one graph serves all frames of a clip.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor, nn

from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.core.errors import ConfigError, MissingPackageError
from vid2vid_cli.core.types import FrameOutput, FrameReferences
from vid2vid_cli.engine.onnx_files import INSTALL_COMMAND
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.generators import Generator
from vid2vid_cli.networks.resnet import ResNetGenerator
from vid2vid_cli.networks.spade import SpadeGenerator
from vid2vid_cli.networks.unet import UNetGenerator

OPSET = 18
MAX_WEIGHT_BYTES = 2_000_000_000
"""Limit of an ONNX file: it is one protocol buffer."""
FIRST_FRAME_LOGIT = 1e4
"""Added to the occlusion logits of a first frame; within the range of fp16."""
REFERENCE_INPUTS = (
    "reference_images",
    "reference_static_images",
    "reference_positions",
    "reference_weights",
    "reference_log_weights",
)
ExportableGenerator = CompositeGenerator | FastGenerator | SpadeGenerator | UNetGenerator | ResNetGenerator


def check_exportable(generator: Generator, name: str, *, half: bool) -> ExportableGenerator:
    """The generator. Raises ConfigError if its kind or its size cannot be exported, MissingPackageError."""
    if not isinstance(generator, ExportableGenerator) or not generator.condition_channels:
        raise ConfigError(
            f"{name} cannot be exported: it does not generate single frames from conditions.",
            "Export a model of the family vid2vid, pix2pixhd or pix2pix.",
        )
    num_bytes = sum(weight.numel() for weight in generator.parameters()) * (2 if half else 4)
    if num_bytes > MAX_WEIGHT_BYTES:
        raise ConfigError(
            f"{name} has {num_bytes / 1e9:.1f} GB of weights; an ONNX file contains at most 2 GB.",
            "Use --half." if not half else "Train a model with a smaller generator.base_channels.",
        )
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(f"The export needs {error.name}, which is not installed.", INSTALL_COMMAND) from None
    return generator


def export_graph(
    generator: ExportableGenerator, path: Path, *, half: bool = False, metadata: dict[str, str] | None = None
) -> None:
    """Write one step of `generator` as an ONNX file; height, width and number of references are dynamic.

    The batch is one. `half`: convolutions are in fp16, everything else stays in fp32.
    `metadata`: added to the file's `metadata_props`.
    """
    step = _Step(deepcopy(generator), half=half)
    inputs, dynamic_axes = example_inputs(generator)
    dynamic_shapes = (tuple(dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in dynamic_axes.values()),)
    messages = StringIO()  # the exporter prints its progress
    with torch.no_grad(), catch_warnings(), redirect_stdout(messages), redirect_stderr(messages):
        simplefilter("ignore")
        program = torch.onnx.export(
            step,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=step.output_names,
            dynamic_shapes=dynamic_shapes,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        program.model.metadata_props.update(metadata or {})
        program.save(os.fspath(path), external_data=False)


def example_inputs(
    generator: ExportableGenerator, size: tuple[int, int] | None = None, num_references: int = 2
) -> tuple[dict[str, Tensor], dict[str, tuple[int, ...]]]:
    """Inputs of zeros by name, and the dynamic axes of each.

    The default size needs padding at all scales and levels, because the exported graph contains the padding that the
    example has; padding by zero pixels is the identity.
    """
    divisor = max(8, 1 << len(generator.down) if isinstance(generator, UNetGenerator) else _size_divisor(generator))
    height, width = size or (2 * divisor + 1, 3 * divisor + 1)
    inputs = {"window": torch.zeros(1, generator.window_size, generator.condition_channels, height, width)}
    axes: dict[str, tuple[int, ...]] = {"window": (3, 4)}
    scale_height, scale_width = height, width
    for scale in range(generator.num_scales if generator.past_frames else 0):
        inputs[f"past_{scale}"] = torch.zeros(1, generator.past_frames, 3, scale_height, scale_width)
        axes[f"past_{scale}"] = (3, 4)
        scale_height, scale_width = (scale_height + 1) // 2, (scale_width + 1) // 2
    if has_first_frame_input(generator):
        inputs["first_frame"], axes["first_frame"] = torch.zeros(1), ()
    if isinstance(generator, FastGenerator | SpadeGenerator) and generator.reference_blend is not None:
        grid_size = grid_nodes(height, width).shape[:2]
        reference_shapes = (
            (1, num_references, 3, height + 2, width + 4),
            (1, num_references, 3, height, width),
            (1, num_references, 2, *grid_size),
            (1, num_references),
            (1, num_references, 2, *grid_size),
        )
        for name, shape in zip(REFERENCE_INPUTS, reference_shapes, strict=True):
            inputs[name] = torch.full(shape, 1 / num_references)
            axes[name] = (1,) if len(shape) == 2 else (1, 3, 4)
    return inputs, axes


def has_first_frame_input(generator: ExportableGenerator) -> bool:
    """Whether the generator warps the last frame, which the first frame of a clip does not have."""
    return any(name.endswith("occlusion_head") for name, _ in generator.named_modules())


def _size_divisor(generator: CompositeGenerator | FastGenerator | SpadeGenerator | ResNetGenerator) -> int:
    return generator.size_multiple if isinstance(generator, ResNetGenerator) else generator.size_divisor


class _Step(nn.Module):
    """A generator, which is changed, with tensors as inputs and outputs."""

    def __init__(self, generator: ExportableGenerator, *, half: bool) -> None:
        super().__init__()
        self.generator = generator
        self.num_past = generator.num_scales if generator.past_frames else 0
        self.has_first_frame = has_first_frame_input(generator)
        self.first_frame: Tensor | None = None
        if half:
            _convert_convolutions(generator)
        for name, module in generator.named_modules():
            if name.endswith("occlusion_head"):
                module.register_forward_hook(self._raise_logits)
        self.output_names = ["image", "raw", *(("flow", "occlusion") if self.has_first_frame else ())]
        self.output_names += [f"coarse_image_{scale}" for scale in range(1, generator.num_scales)]

    def _raise_logits(self, module: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        assert self.first_frame is not None
        return logits + self.first_frame * FIRST_FRAME_LOGIT

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The inputs of `example_inputs`, in order, -> the tensors of `output_names`."""
        window, past, others = inputs[0], list(inputs[1 : 1 + self.num_past]), list(inputs[1 + self.num_past :])
        if self.has_first_frame:
            self.first_frame = others.pop(0)
        references: Sequence[FrameReferences] = (FrameReferences(*others),) if others else ()
        output: FrameOutput = self.generator(window, past, False, *references)
        self.first_frame = None
        motion = (output.flow, output.occlusion) if self.has_first_frame else ()
        # An output may not be an input of the graph or another output: a model without flow has one image only.
        raw = output.raw.clone() if output.raw is output.image else output.raw
        tensors = (output.image, raw, *motion, *output.coarse_images)
        return tuple(tensor for tensor in tensors if tensor is not None)


def _convert_convolutions(generator: nn.Module) -> None:
    """Convolutions in fp16. Normalisation and sampling positions need fp32: fp16 has no exact pixel above 2048."""

    def to_half(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(value.half() for value in inputs)

    def to_float(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return output.float()

    for module in generator.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.half()
            module.register_forward_pre_hook(to_half)
            module.register_forward_hook(to_float)
