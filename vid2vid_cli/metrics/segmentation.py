"""Likeness of label maps. Pure functions of tensors of class numbers."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_iou(found: Tensor, wanted: Tensor, classes: int) -> Tensor:
    """Intersection over union, the mean over the classes that occur in either, (n, h, w) int64 twice -> (n,) in [0, 1].

    Long et al., CVPR 2015, for each map by itself.
    """
    pairs = (wanted * classes + found).flatten(1)
    counts = torch.stack([torch.bincount(row, minlength=classes * classes) for row in pairs]).view(-1, classes, classes)
    both = counts.diagonal(dim1=1, dim2=2).double()
    either = counts.sum(1) + counts.sum(2) - both
    return torch.where(either > 0, both / either.clamp(min=1), 0).sum(1) / (either > 0).sum(1)
