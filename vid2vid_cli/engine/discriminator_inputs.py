"""Inputs of the temporal and region discriminators: frame sequences at several strides, and region crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.types import FLOW_MULTIPLIER, ReferenceFlow
from vid2vid_cli.engine.chunk import Chunk, RealFakePairs

CONFIDENT_PIXELS = "confident pixels"
Sampling = Literal["dense", "tiled", "disjoint"]


@dataclass(frozen=True)
class DiscriminatorInputs:
    """Inputs of the temporal and region discriminators, and the weights of means in a distributed training."""

    temporal_pairs: RealFakePairs
    region_pairs: RealFakePairs
    mean_weights: Mapping[str, Tensor | float] = field(default_factory=dict)
    """Weights of this process in means over a number of items that differs between processes."""

    def mean_weight(self, name: str) -> Tensor | float:
        """The weight for CONFIDENT_PIXELS or a region; 1 for other means and in a single process."""
        return self.mean_weights.get(name, 1.0)


def flow_strides(config: Config) -> list[int]:
    """Frame strides of the reference flow: 1 for a generator with a past, and those of the temporal discriminators."""
    temporal_strides = (
        config.discriminators.temporal.frame_strides if config.losses.uses_temporal_discriminators else ()
    )
    return sorted({*temporal_strides, *((1,) if config.generator.past_frames else ())})


def temporal_pairs(
    config: Config, frames: Tensor, fakes: Tensor, flows: Mapping[int, ReferenceFlow], *, start: int
) -> RealFakePairs:
    """Real and generated frame sequences by stride; strides without enough past frames are left out.

    `frames` (b, t, 3, h, w) is the whole clip, `fakes` (b, t', 3, h, w) all generated frames, new ones from `start`.
    """
    pairs: RealFakePairs = {}
    temporal = config.discriminators.temporal
    for stride in temporal.frame_strides if config.losses.uses_temporal_discriminators else ():
        window_ends = temporal_window_ends(
            temporal.sampling, stride=stride, num_frames=temporal.num_frames, start=start, stop=fakes.shape[1]
        )
        if window_ends:
            real, fake = (
                temporal_inputs(images, flows[stride].flow, window_ends, stride=stride, num_frames=temporal.num_frames)
                for images in (frames, fakes)
            )
            pairs[str(stride)] = (real, fake)
    return pairs


def temporal_window_ends(sampling: Sampling, *, stride: int, num_frames: int, start: int, stop: int) -> list[int]:
    """Last frames of the sequences that are used after frames `start` to `stop - 1` of a clip are generated.

    A sequence has `num_frames` frames with a stride, and may begin before `start`. dense: one sequence ends at each new
    frame; tiled: they cover the new frames backwards from the newest one, as published; disjoint: no two sequences of
    the clip share a frame.
    """
    span = stride * (num_frames - 1)
    ends: Sequence[int] = range(start, stop)
    if sampling == "tiled":
        ends = range(stop - 1, start - 1, -num_frames)
    elif sampling == "disjoint":
        ends = [end for end in ends if (end - span) % (stride * num_frames) == 0]
    return [end for end in ends if end >= span]


def temporal_inputs(
    frames: Tensor, flows: Tensor, window_ends: Sequence[int], *, stride: int, num_frames: int
) -> Tensor:
    """Frames of each sequence concatenated with the flow between them.

    (b, t, 3, h, w), (b, t, 2, h, w) -> (n, 3 * num_frames + 2 * (num_frames - 1), h, w). `flows` are over `stride`
    frames, in pixels; they are divided by FLOW_MULTIPLIER.
    """
    windows = []
    for end in window_ends:
        start = end - stride * (num_frames - 1)
        window_frames = frames[:, start : end + 1 : stride].flatten(1, 2)
        window_flows = flows[:, start + stride : end + 1 : stride].flatten(1, 2) / FLOW_MULTIPLIER
        windows.append(torch.cat([window_frames, window_flows], 1))
    return torch.cat(windows)


def region_pairs(config: Config, chunk: Chunk) -> RealFakePairs:
    """Real and generated crops by region; regions that are detected on no frame are left out."""
    if not config.losses.uses_region_discriminators:
        return {}
    region = config.discriminators.region
    return chunk.region_crops(region.names, region.crop_size(chunk.real.shape[-2]))


def mean_counts(config: Config, chunk: Chunk, crops: RealFakePairs) -> dict[str, Tensor | int]:
    """Number of items in those means that differ between processes, including 0: all must reduce the same names."""
    region_counts = {name: len(crops[name][0]) if name in crops else 0 for name in config.discriminators.region.names}
    return {CONFIDENT_PIXELS: chunk.confidence.sum(), **region_counts}
