"""Time of a generator per frame at any size, on random input."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import repeat

import torch

from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.core.types import FrameReferences
from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.engine.runtime import Runtime

MIN_FRAMES, MAX_FRAMES = 3, 60


@dataclass(frozen=True)
class GeneratorTiming:
    """Times per frame, without the first frames."""

    num_frames: int
    ms_per_frame: float
    cpu_ms_per_frame: float


@dataclass(frozen=True)
class InputShape:
    """The inputs of a generator for one frame."""

    height: int
    width: int
    num_channels: int
    """Of the condition."""
    num_references: int
    """Reference frames per frame."""


def time_generator(
    generator: SequentialGenerator, runtime: Runtime, shape: InputShape, max_seconds: float
) -> GeneratorTiming:
    """Generate random frames for at most `max_seconds`, but at least MIN_FRAMES.

    The frames of the reference bank, if any, are random too, at the resolution of the generated frames. The time does
    not depend on the values. Raises RuntimeError or ValueError for a size that the generator cannot generate.
    """
    rng = torch.Generator().manual_seed(0)
    condition = torch.rand(1, shape.num_channels, shape.height, shape.width, generator=rng).to(runtime.device) * 2 - 1
    condition = runtime.to_memory_format(condition)
    references = repeat(_random_references(runtime, shape)) if shape.num_references else None
    outputs = rollout(generator, repeat(condition), references=references)
    with torch.inference_mode(), runtime.autocast():
        for _ in range(2):  # selects kernels; the first frame has no past
            next(outputs)
        _synchronise(runtime)
        start, cpu_start, num_frames = time.perf_counter(), time.process_time(), 0
        while num_frames < MAX_FRAMES and (num_frames < MIN_FRAMES or time.perf_counter() - start < max_seconds):
            next(outputs)
            _synchronise(runtime)
            num_frames += 1
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return GeneratorTiming(num_frames, 1000 * seconds / num_frames, 1000 * cpu_seconds / num_frames)


def _random_references(runtime: Runtime, shape: InputShape) -> FrameReferences:
    height, width, count = shape.height, shape.width, shape.num_references
    images = (torch.rand(1, count, 3, height, width) * 2 - 1).to(runtime.device)
    axes = [torch.linspace(-1, 1, num_nodes) for num_nodes in grid_nodes(height, width).shape[:2]]
    y, x = torch.meshgrid(*axes, indexing="ij")
    positions = torch.stack([x, y])[None, None].repeat(1, count, 1, 1, 1).to(runtime.device)
    weights = torch.full((1, count), 1 / count, device=runtime.device)
    return FrameReferences(images, images, positions, weights, torch.zeros_like(positions))


def _synchronise(runtime: Runtime) -> None:
    if runtime.device.type == "cuda":
        torch.cuda.synchronize(runtime.device)
