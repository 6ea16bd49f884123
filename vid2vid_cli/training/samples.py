"""Sample sheets: generated frames next to conditions and real frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from vid2vid_cli.conditioning.combine import condition_image
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.engine.inference import evenly_spaced, to_uint8_image
from vid2vid_cli.media.contact_sheet import contact_sheet
from vid2vid_cli.training_data.training_data import TrainingData

NUM_COLUMNS = 6


def sample_sheet(
    training_data: TrainingData,
    frame_range: FrameRange,
    clip: ClipBatch,
    *,
    outputs: Sequence[FrameOutput],
    to_image: Callable[[Tensor], ImageArray] = to_uint8_image,
) -> ImageArray:
    """A grid with time along the columns; rows: condition, real, generated, and with flow raw image and occlusion mask.

    `to_image` converts a generated frame (k, h, w) to RGB.
    """
    frame_indices = evenly_spaced(len(outputs), NUM_COLUMNS)
    names = [conditioner.spec.name for conditioner in training_data.conditioners]
    conditions = []
    for index in frame_indices:
        annotations = [
            training_data.dataset.load_annotation(frame_range.clip_index, frame_range.start + index, name)
            for name in names
        ]
        conditions.append(condition_image(training_data.conditioners, annotations, training_data.views))
    rows = [
        conditions,
        [to_image(clip.frames[0, index]) for index in frame_indices],
        [to_image(outputs[index].image[0]) for index in frame_indices],
    ]
    labels = ["condition", "real", "generated"]
    if outputs[-1].occlusion is not None:
        rows.append([to_image(outputs[index].raw[0]) for index in frame_indices])
        rows.append([_mask_image(outputs[index]) for index in frame_indices])
        labels += ["raw image", "occlusion (white: synthesised)"]
    return contact_sheet(rows, labels=labels)


def _mask_image(output: FrameOutput) -> ImageArray:
    """The occlusion mask as RGB: white is synthesised, black is warped; a first frame is white."""
    mask: Tensor = output.image.new_ones(1, *output.image.shape[-2:])
    if output.occlusion is not None:
        mask = output.occlusion[0]
    return to_uint8_image(mask.expand(3, -1, -1) * 2 - 1)
