"""Squares cut out of pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def cut(pictures: Tensor, boxes: Tensor, side: int) -> Tensor | None:
    """A square of `side` pixels about each box, (n, c, h, w), (n, r, 4) -> (k, c, side, side), picture after picture.

    Boxes are (x0, y0, x1, y1) in pixels, x1 = w at the right edge. A box with NaN, or whose middle lies outside of the
    picture, is none; None where there is none at all. Squares are moved into the picture, and are no larger than it.
    Nothing is resampled: pixels stay pixels, and gradients flow back to where they lie.
    """
    height, width = pictures.shape[-2:]
    high, wide = min(side, height), min(side, width)
    squares = []
    for picture, found in zip(pictures, boxes.tolist(), strict=True):
        for x0, y0, x1, y1 in found:
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            if not (0 <= x <= width and 0 <= y <= height):  # NaN is nowhere
                continue
            left = min(max(round(x - wide / 2), 0), width - wide)
            top = min(max(round(y - high / 2), 0), height - high)
            squares.append(picture[:, top : top + high, left : left + wide])
    return torch.stack(squares) if squares else None
