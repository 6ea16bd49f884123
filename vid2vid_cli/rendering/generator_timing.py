"""Time of a generator per frame at any size, on random input, and the choice of the fastest runtime by it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import torch

from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.core.types import FrameOutput, FrameReferences
from vid2vid_cli.engine.measured_choices import keep_choice, recall_choice
from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.resnet import ResNetGenerator
from vid2vid_cli.networks.spade import SpadeGenerator
from vid2vid_cli.networks.unet import UNetGenerator

MIN_FRAMES, MAX_FRAMES = 3, 60
NUM_WARMUP_FRAMES, NUM_ROUNDS, MAX_SECONDS = 1, 2, 0.6
MIN_SIDE = 64
"""In pixels: the deepest maps of smaller frames may have a single cell, which cannot be normalised."""
MIN_GAIN, MIN_SECONDS = 1.15, 0.004
"""A choice of less gain, or for shorter frames, is not worth its dependence on noise."""
OTHER_STAGES_SECONDS = 0.03
"""What decoding, detection, drawing and encoding of a frame take of one core, and more where they compete for it."""
MeasuredGenerator = CompositeGenerator | FastGenerator | SpadeGenerator | UNetGenerator | ResNetGenerator
_choices: dict[tuple[object, ...], Runtime] = {}


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

    def divided_by(self, divisor: int) -> InputShape:
        """The inputs for frames of a part of the height and the width, but at least of MIN_SIDE pixels."""
        height, width = (max(side // divisor, min(side, MIN_SIDE)) for side in (self.height, self.width))
        return replace(self, height=height, width=width)


def time_generator(
    generator: SequentialGenerator, runtime: Runtime, shape: InputShape, max_seconds: float
) -> GeneratorTiming:
    """Generate random frames for at most `max_seconds`, but at least MIN_FRAMES.

    The frames of the reference bank, if any, are random too, at the resolution of the generated frames. The time does
    not depend on the values. Raises RuntimeError or ValueError for a size that the generator cannot generate.
    """
    outputs = _random_frames(generator, runtime, shape)
    with runtime.inference():
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


def choose_fastest(generator: MeasuredGenerator, runtimes: Sequence[Runtime], shape: InputShape) -> Runtime:
    """The fastest of several runtimes on the CPU, for which `set_memory_format` prepares the generator.

    The first one, unless another takes MIN_GAIN times less: near a tie, noise would decide. Frames are generated in
    turn, for about MAX_SECONDS: smaller ones, or none, if that is too short. Measured once for an architecture and a
    size, and kept (see `measured_choices`), so that all results are made alike.

    Of several threads, one is left to the other stages of a video, if that costs less than they take: all operations
    of torch wait for a thread that shares its core. OMP_NUM_THREADS disables that.
    """
    num_weights = sum(weight.numel() for weight in generator.parameters())
    key = (type(generator).__name__, num_weights, shape, tuple(runtimes))
    if key not in _choices:
        kept = _recall_runtime(key, runtimes)
        if kept is not None:
            _choices[key] = kept
            return kept
        try:
            _choices[key] = _measure_fastest(generator, runtimes, shape)
        except (RuntimeError, ValueError):  # a network that cannot generate smaller frames is not measured
            _choices[key] = runtimes[0]
        chosen = _choices[key]
        index = [replace(runtime, num_threads=chosen.num_threads) for runtime in runtimes].index(chosen)
        keep_choice("runtime", key, [index, chosen.num_threads])
    return _choices[key]


def _recall_runtime(key: tuple[object, ...], runtimes: Sequence[Runtime]) -> Runtime | None:
    """The runtime that was kept; None if there is none."""
    match recall_choice("runtime", key):
        case [int(index), int(num_threads)] if 0 <= index < len(runtimes) and 0 <= num_threads <= 4096:
            return replace(runtimes[index], num_threads=num_threads)
    return None


def _measure_fastest(generator: MeasuredGenerator, runtimes: Sequence[Runtime], shape: InputShape) -> Runtime:
    num_threads = 0 if "OMP_NUM_THREADS" in os.environ else torch.get_num_threads() - 1
    limited = [replace(runtime, num_threads=num_threads) for runtime in runtimes]
    num_frames = len(runtimes) * (NUM_ROUNDS + NUM_WARMUP_FRAMES)
    divisor = 4
    while divisor > 1:
        (first_seconds,) = _frame_seconds(generator, limited[:1], shape.divided_by(divisor), 1)
        if divisor == 4 and first_seconds * num_frames > MAX_SECONDS:
            return runtimes[0]
        if 4 * first_seconds * num_frames > MAX_SECONDS:
            break
        divisor //= 2
    seconds = _frame_seconds(generator, limited, shape.divided_by(divisor), NUM_ROUNDS)
    fastest = min(seconds)
    is_relevant = seconds[0] >= MIN_SECONDS and fastest * MIN_GAIN <= seconds[0]
    chosen = seconds.index(fastest) if is_relevant else 0
    # At best, all threads divide the time of n - 1 threads by n / (n - 1), which saves an nth.
    possible_gain = seconds[chosen] * divisor**2 / (num_threads + 1)
    return (limited if possible_gain <= OTHER_STAGES_SECONDS else runtimes)[chosen]


def _frame_seconds(
    generator: MeasuredGenerator, runtimes: Sequence[Runtime], shape: InputShape, num_rounds: int
) -> list[float]:
    """The shortest time of a frame with each runtime; they alternate, because other processes disturb single frames."""
    streams = [_random_frames(generator, runtime, shape) for runtime in runtimes]
    seconds = [math.inf] * len(runtimes)
    deadline = time.perf_counter() + MAX_SECONDS
    for round_index in range(num_rounds + NUM_WARMUP_FRAMES):
        if round_index > NUM_WARMUP_FRAMES and time.perf_counter() > deadline:
            break  # the machine is busy
        for index, (runtime, stream) in enumerate(zip(runtimes, streams, strict=True)):
            set_memory_format(generator, runtime)
            with runtime.inference():
                start = time.perf_counter()
                next(stream)
                if round_index >= NUM_WARMUP_FRAMES:
                    seconds[index] = min(seconds[index], time.perf_counter() - start)
    return seconds


def set_memory_format(generator: MeasuredGenerator, runtime: Runtime) -> None:
    """Convert the weights to the memory format of a runtime."""
    generator.to(memory_format=torch.channels_last if runtime.channels_last else torch.contiguous_format)


def _random_frames(generator: SequentialGenerator, runtime: Runtime, shape: InputShape) -> Iterator[FrameOutput]:
    rng = torch.Generator().manual_seed(0)
    condition = torch.rand(1, shape.num_channels, shape.height, shape.width, generator=rng).to(runtime.device) * 2 - 1
    condition = runtime.to_memory_format(condition)
    references = repeat(_random_references(runtime, shape)) if shape.num_references else None
    return rollout(generator, repeat(condition), references=references)


def _random_references(runtime: Runtime, shape: InputShape) -> FrameReferences:
    height, width, count = shape.height, shape.width, shape.num_references
    images = torch.rand(1, count, 3, height, width).to(runtime.device) * 2 - 1
    axes = [torch.linspace(-1, 1, num_nodes) for num_nodes in grid_nodes(height, width).shape[:2]]
    y, x = torch.meshgrid(*axes, indexing="ij")
    positions = torch.stack([x, y])[None, None].repeat(1, count, 1, 1, 1).to(runtime.device)
    weights = torch.full((1, count), 1 / count, device=runtime.device)
    return FrameReferences(images, images, positions, weights, torch.zeros_like(positions))


def _synchronise(runtime: Runtime) -> None:
    if runtime.device.type == "cuda":
        torch.cuda.synchronize(runtime.device)
