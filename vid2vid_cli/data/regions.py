"""Boxes of the regions that have their own discriminator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vid2vid_cli.conditioning import Annotation, Conditioner, View


def available_region_names(conditioners: Sequence[Conditioner]) -> tuple[str, ...]:
    """Names of all regions that the conditioners provide, without duplicates."""
    return tuple(dict.fromkeys(name for conditioner in conditioners for name in conditioner.region_names))


def clip_region_boxes(
    conditioners: Sequence[Conditioner],
    annotations: Sequence[Sequence[Annotation]],
    view: View,
    names: Sequence[str],
) -> dict[str, Tensor]:
    """Region name -> boxes (1, t, r, 4) in pixels of the view, NaN if not detected, for a batch of one clip.

    `annotations` contains the annotations of each conditioner per frame, before augmentation, because what
    augmentation removes from the condition is still visible in the frame. A region is taken from the first conditioner
    that provides it.
    """
    boxes_by_name: dict[str, Tensor] = {}
    for conditioner, frame_annotations in zip(conditioners, annotations, strict=True):
        new_names = [name for name in names if name in conditioner.region_names and name not in boxes_by_name]
        frame_boxes = (
            [conditioner.region_boxes(annotation, view) for annotation in frame_annotations] if new_names else []
        )
        boxes_by_name |= {
            name: torch.from_numpy(np.stack([boxes[name] for boxes in frame_boxes]))[None] for name in new_names
        }
    return boxes_by_name
