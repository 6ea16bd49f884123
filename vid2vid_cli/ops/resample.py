"""Pyramids, padding to a multiple, and cropping back."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def halve(image: Tensor) -> Tensor:
    """Half the size by a 3x3 average, (b, c, h, w) -> (b, c, ceil(h / 2), ceil(w / 2)); padding is not counted."""
    return F.avg_pool2d(image, 3, stride=2, padding=1, count_include_pad=False)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Repeat the border right and below until both sides are multiples, (b, c, h, w) -> (b, c, h', w')."""
    height, width = image.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if below == 0 and right == 0:
        return image
    return F.pad(image, (0, right, 0, below), mode="replicate")


def crop_to(image: Tensor, height: int, width: int) -> Tensor:
    """The upper left part, (b, c, h', w') -> (b, c, height, width): undoes `pad_to_multiple`."""
    return image[..., :height, :width]
