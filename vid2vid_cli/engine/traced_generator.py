"""Runs a generator on the CPU as a graph, which torch executes without the GIL (Python's global interpreter lock).

A frame of a small network is some hundred short operations. Called from Python, each of them waits for the GIL while
the threads that decode, detect and encode hold it, which takes a quarter of the time. The graph is recorded by
torch.jit.trace, and contains the same operations: frames are equal bit for bit.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor, nn
from torch.jit import optimized_execution  # type: ignore[attr-defined]

from vid2vid_cli.core.types import EmbeddedReferences, FrameOutput, FrameReferences
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.networks.blocks import PatchEmbed
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.spade import SpadeGenerator

TraceableGenerator = FastGenerator | SpadeGenerator
"""Generators of one scale, whose operations are short."""
REFERENCE_FIELDS = tuple(field.name for field in fields(FrameReferences) if field.name != "embedded")
EMBEDDED_FIELDS = tuple(field.name for field in fields(EmbeddedReferences))
OUTPUT_FIELDS = tuple(field.name for field in fields(FrameOutput) if field.name != "coarse_images")


class TracedGenerator:
    """A generator with the interface of `SequentialGenerator`, for inference."""

    num_scales = 1

    def __init__(self, generator: TraceableGenerator, runtime: Runtime) -> None:
        """The weights may not change later: graphs are recorded when frames are generated."""
        self.generator, self._runtime = generator, runtime
        self._traced = _with_cast_weights(generator, runtime.autocast_dtype)
        self.past_frames, self.window_size = generator.past_frames, generator.window_size
        self._graphs: dict[tuple[torch.Size, ...], tuple[torch.jit.ScriptModule, list[str]]] = {}
        """Graph and names of its outputs, by the shapes of the inputs."""

    def __call__(
        self,
        window: Tensor,
        past: Sequence[Tensor],
        is_first_frame: bool = False,
        *references: FrameReferences,
    ) -> FrameOutput:
        """As that of `SequentialGenerator`; in the context of `Runtime.inference`.

        The first frame of a clip, and the first of each number of references, take longer.
        """
        if is_first_frame:
            return self.generator(window, past, True, *references)  # type: ignore[no-any-return]
        inputs = [window, past[0], *(tensor for item in references for tensor in _reference_tensors(item))]
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self._graphs:
            self._graphs[shapes] = self._trace(inputs)
        graph, names = self._graphs[shapes]
        # The graph contains the casts of autocast, which would otherwise be applied again, to other operations.
        with torch.autocast(self._runtime.device.type, enabled=False), optimized_execution(False):
            outputs = graph(*inputs)
        return FrameOutput(**dict(zip(names, outputs, strict=True)))

    def _trace(self, inputs: Sequence[Tensor]) -> tuple[torch.jit.ScriptModule, list[str]]:
        step = _Step(self._traced)
        runtime, dtype = self._runtime, self._runtime.autocast_dtype
        with (
            warnings.catch_warnings(),
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast(runtime.device.type, dtype, enabled=dtype is not None, cache_enabled=False),
        ):
            warnings.simplefilter("ignore")  # sizes become constants, and torch.jit is no longer developed
            examples = tuple(tensor.clone() for tensor in inputs)  # tensors of the inference mode cannot be recorded
            graph = torch.jit.trace(step, examples, check_trace=False)  # type: ignore[no-untyped-call]
        assert isinstance(graph, torch.jit.ScriptModule)
        return graph, step.output_names


def _with_cast_weights(generator: TraceableGenerator, dtype: torch.dtype | None) -> TraceableGenerator:
    """A copy whose convolutions have the weights that autocast would convert for each frame; fp32: the generator."""
    if dtype is None:
        return generator
    copied = copy.deepcopy(generator)
    for module in copied.modules():
        if isinstance(module, nn.Conv2d) and not isinstance(module, PatchEmbed):  # without autocast, see patch_conv2d
            module.to(dtype)
    return copied


class _Step(nn.Module):
    """A generator with tensors as inputs, see `TracedGenerator`, and those outputs that are not None."""

    def __init__(self, generator: TraceableGenerator) -> None:
        super().__init__()
        self.generator = generator
        self.output_names: list[str] = []

    def forward(self, window: Tensor, past: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The outputs of `output_names`, in order."""
        references: list[FrameReferences] = []
        if tensors:
            given, ahead = tensors[: len(REFERENCE_FIELDS)], tensors[len(REFERENCE_FIELDS) :]
            references.append(FrameReferences(*given, embedded=EmbeddedReferences(*ahead) if ahead else None))
        output = self.generator(window, [past], False, *references)
        present = {name: value for name in OUTPUT_FIELDS if (value := getattr(output, name)) is not None}
        self.output_names = list(present)
        return tuple(present.values())


def _reference_tensors(references: FrameReferences) -> list[Tensor]:
    tensors = [getattr(references, name) for name in REFERENCE_FIELDS]
    if references.embedded is not None:
        tensors += [getattr(references.embedded, name) for name in EMBEDDED_FIELDS]
    return tensors
