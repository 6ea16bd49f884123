"""Similarity of label maps: pure functions of class-id tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_iou(prediction: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """Mean intersection over union of the classes that occur in either map, (n, h, w) int64 twice -> (n,) in [0, 1].

    Long et al., CVPR 2015, computed per map.
    """
    confusion_indices = (target * num_classes + prediction).flatten(1)
    confusion = torch.stack(
        [torch.bincount(row, minlength=num_classes * num_classes) for row in confusion_indices]
    ).view(-1, num_classes, num_classes)
    intersection = confusion.diagonal(dim1=1, dim2=2).double()
    union = confusion.sum(1) + confusion.sum(2) - intersection
    return torch.where(union > 0, intersection / union.clamp(min=1), 0).sum(1) / (union > 0).sum(1)
