"""Square crops around boxes."""

from __future__ import annotations

import torch
from torch import Tensor


def crop_boxes(images: Tensor, boxes: Tensor, crop_size: int) -> Tensor | None:
    """Crop a square around the centre of each box, (n, c, h, w), (n, r, 4) -> (k, c, crop_size, crop_size).

    Boxes are (x0, y0, x1, y1) in pixels, x1 = w at the right edge. A box that contains NaN, or whose centre lies
    outside the image, is skipped; returns None if all are. Crops are shifted into the image and are not larger than it.
    Crops are not resampled, so gradients flow back to the original pixels.
    """
    height, width = images.shape[-2:]
    crop_height, crop_width = min(crop_size, height), min(crop_size, width)
    crops = []
    for image, image_boxes in zip(images, boxes.tolist(), strict=True):
        for x0, y0, x1, y1 in image_boxes:
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            if not (0 <= x <= width and 0 <= y <= height):  # also true for NaN
                continue
            left = min(max(round(x - crop_width / 2), 0), width - crop_width)
            top = min(max(round(y - crop_height / 2), 0), height - crop_height)
            crops.append(image[:, top : top + crop_height, left : left + crop_width])
    return torch.stack(crops) if crops else None
