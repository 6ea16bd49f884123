"""Pictures of what a model does with held-out frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vid2vid_cli.conditioning.combine import condition_picture
from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.data.dataset import Span
from vid2vid_cli.engine.inference import evenly, to_picture
from vid2vid_cli.media.contact_sheet import contact_sheet
from vid2vid_cli.training_data.training_data import Subject

Picture = NDArray[np.uint8]
COLUMNS = 6


def sample_sheet(
    subject: Subject,
    span: Span,
    clip: ClipBatch,
    outputs: Sequence[FrameOutput],
    paint: Callable[[Tensor], Picture] = to_picture,
) -> Picture:
    """Rows of condition, real, generated, synthesised part and occlusion mask; columns of time.

    `paint`: how what is drawn, (k, h, w), is shown.
    """
    chosen = evenly(len(outputs), COLUMNS)
    names = [conditioner.spec.name for conditioner in subject.conditioners]
    conditions = []
    for index in chosen:
        annotations = [subject.dataset.annotation(span.clip, span.first + index, name) for name in names]
        conditions.append(condition_picture(subject.conditioners, annotations, subject.views))
    rows = [
        conditions,
        [paint(clip.frames[0, index]) for index in chosen],
        [paint(outputs[index].image[0]) for index in chosen],
    ]
    labels = ["condition", "real", "generated"]
    if outputs[-1].occlusion is not None:
        rows.append([paint(outputs[index].raw[0]) for index in chosen])
        rows.append([_mask_picture(outputs[index]) for index in chosen])
        labels += ["synthesised", "occlusion (white: synthesised)"]
    return contact_sheet(rows, labels=labels)


def _mask_picture(output: FrameOutput) -> Picture:
    """White where the frame is synthesised, black where the last one is warped; a first frame is all white."""
    mask: Tensor = output.image.new_ones(1, *output.image.shape[-2:])
    if output.occlusion is not None:
        mask = output.occlusion[0]
    return to_picture(mask.expand(3, -1, -1) * 2 - 1)
