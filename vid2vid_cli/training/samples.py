"""The sample clip of a training, and sample sheets: generated frames next to conditions and real frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from vid2vid_cli.conditioning.combine import condition_image
from vid2vid_cli.core.errors import TooFewFramesError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.data.dataset import FrameRange, valid_ranges
from vid2vid_cli.engine.inference import mask_image, to_uint8_image
from vid2vid_cli.media.contact_sheet import contact_sheet
from vid2vid_cli.training_data.training_data import TrainingData

NUM_COLUMNS = 6
SAMPLE_FRAMES = 24
"""Frames of a sample clip: enough to show motion, and fast to generate."""
SPLIT_NAMES = {"val": "validation", "train": "training"}


def choose_sample_range(
    training_data: TrainingData, train_ranges: Sequence[FrameRange], num_known_frames: int
) -> tuple[FrameRange, str]:
    """The first frames of the longest validation range, and "val"; without a validation split of training, "train".

    `num_known_frames` are real frames that the model continues. Raises TooFewFramesError if no frame follows them.
    """
    names = [conditioner.spec.name for conditioner in training_data.conditioners]
    val_ranges = valid_ranges(training_data.dataset, names, "val")
    longest = max(val_ranges or train_ranges, key=lambda frame_range: frame_range.num_frames)
    split = "val" if val_ranges else "train"
    if longest.num_frames <= num_known_frames:
        raise TooFewFramesError(
            f"{training_data.dataset.folder} has at most {longest.num_frames} consecutive {SPLIT_NAMES[split]} frames; "
            f"the model needs {num_known_frames + 1}, because it continues {num_known_frames} real frames.",
            "Prepare a longer video, or with a larger --val-fraction; --val-fraction 0 measures on training frames.",
        )
    stop = min(longest.stop, longest.start + SAMPLE_FRAMES)
    return FrameRange(longest.clip_index, longest.start, stop), split


def _condition_images(
    training_data: TrainingData, frame_range: FrameRange, frame_indices: Sequence[int]
) -> list[ImageArray]:
    """The visualisations of the conditions of frames of a range."""
    names = [conditioner.spec.name for conditioner in training_data.conditioners]
    images = []
    for index in frame_indices:
        annotations = [
            training_data.dataset.load_annotation(frame_range.clip_index, frame_range.start + index, name)
            for name in names
        ]
        images.append(condition_image(training_data.conditioners, annotations, training_data.views))
    return images


def sample_frames(
    training_data: TrainingData,
    frame_range: FrameRange,
    real: Tensor,
    *,
    outputs: Sequence[FrameOutput],
    to_image: Callable[[Tensor], ImageArray] = to_uint8_image,
) -> list[dict[str, ImageArray]]:
    """Condition, real and generated image of each frame of a range; `real` (t, k, h, w), `to_image` as below."""
    conditions = _condition_images(training_data, frame_range, range(len(outputs)))
    return [
        {"real": to_image(target), "condition": condition, "generated": to_image(output.image[0])}
        for condition, target, output in zip(conditions, real, outputs, strict=True)
    ]


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
    rows = [
        _condition_images(training_data, frame_range, frame_indices),
        [to_image(clip.frames[0, index]) for index in frame_indices],
        [to_image(outputs[index].image[0]) for index in frame_indices],
    ]
    labels = ["condition", "real", "generated"]
    if outputs[-1].occlusion is not None:
        rows.append([to_image(outputs[index].raw[0]) for index in frame_indices])
        rows.append([mask_image(outputs[index]) for index in frame_indices])
        labels += ["raw image", "occlusion (white: synthesised)"]
    return contact_sheet(rows, labels=labels)


def stack_sheets(sheets: Sequence[ImageArray]) -> ImageArray:
    """Sheets of several datasets below each other; narrower ones are padded on the right."""
    width = max(sheet.shape[1] for sheet in sheets)
    return np.concatenate([np.pad(sheet, ((0, 0), (0, width - sheet.shape[1]), (0, 0))) for sheet in sheets])
