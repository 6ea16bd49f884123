"""The directions of attributes in the codes of model=vaegan: mean code of frames with one minus those without."""

from __future__ import annotations

import numpy as np
import torch

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.data.frame_attributes import FrameAttribute
from vid2vid_cli.engine.checkpoint_metadata import AttributeDirection
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.networks.vaegan import VaeGanGenerator
from vid2vid_cli.training_data.training_data import TrainingData

MAX_FRAMES = 1024
"""Largest number of training frames that are encoded, spread over all of them."""


def encoded_frames(sampler: ClipSampler) -> list[tuple[int, int]]:
    """(clip, frame) of the training frames whose codes and attributes are compared."""
    frames = [(r.clip_index, index) for r in sampler.ranges for index in range(r.start, r.stop)]
    return [frames[index] for index in evenly_spaced(len(frames), MAX_FRAMES)]


def split_frames(
    training_data: TrainingData, sampler: ClipSampler, attribute: FrameAttribute
) -> tuple[float, np.ndarray]:
    """The threshold of an attribute, and whether each of `encoded_frames` has it: 1, 0, or -1 if it is not measured.

    Raises ConfigError if all of them are on one side of the threshold.
    """
    lengths = [frame_range.num_frames for frame_range in training_data.dataset.frame_ranges()]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    values = attribute.values[[starts[clip] + index for clip, index in encoded_frames(sampler)]]
    threshold = attribute.split_threshold()
    sides = np.where(np.isnan(values), -1, values > threshold)
    for side, name in ((1, "above"), (0, "not above")):
        if not (sides == side).any():
            raise ConfigError(
                f"generator.attributes: no training frame of {training_data.dataset.folder} has {attribute.name} "
                f"({attribute.source}) {name} {threshold:.4g}.",
                "Leave it out, or give values that differ among the training frames.",
            )
    return threshold, sides


def describe_split(training_data: TrainingData, sampler: ClipSampler, attribute: FrameAttribute) -> str:
    """A notice on the frames with an attribute. Raises the errors of `split_frames`."""
    threshold, sides = split_frames(training_data, sampler, attribute)
    num_missing = int((sides < 0).sum())
    missing = f"; on {num_missing} it is not measured" if num_missing else ""
    return (
        f"attribute {attribute.name} ({attribute.source}): {int((sides == 1).sum())} of {len(sides)} training frames "
        f"are above the threshold {threshold:.4g}{missing}"
    )


@torch.inference_mode()
def collect_attribute_directions(
    training_data: TrainingData, sampler: ClipSampler, config: Config, *, generator: VaeGanGenerator, runtime: Runtime
) -> list[AttributeDirection]:
    """The direction of each of `generator.attributes`."""
    attributes = training_data.load_attributes(config)
    if not attributes:
        return []
    rows = []
    for clip_index, index in encoded_frames(sampler):
        frame = sampler.load_range(FrameRange(clip_index, index, index + 1)).frames[:, 0]
        with runtime.autocast():
            rows.append(generator.encode(frame.to(runtime.device).float())[0].cpu())
    codes = torch.cat(rows).numpy().astype(np.float64)
    directions = []
    for attribute in attributes:
        threshold, sides = split_frames(training_data, sampler, attribute)
        vector = codes[sides == 1].mean(0) - codes[sides == 0].mean(0)
        directions.append(
            AttributeDirection(
                name=attribute.name,
                source=attribute.source,
                threshold=threshold,
                num_with=int((sides == 1).sum()),
                num_without=int((sides == 0).sum()),
                vector=tuple(float(f"{value:.6g}") for value in vector),
            )
        )
    return directions
