"""Colour match: the generated subject takes the mean colour of what it covers."""

from __future__ import annotations

import numpy as np

from vid2vid_cli.core.geometry import FloatArray, ImageArray
from vid2vid_cli.media.images import Image

GAIN_LIMITS = (0.5, 2.0)
"""Limits of the factor on each channel."""


def match_colours(image: Image, base: ImageArray, mask: FloatArray) -> Image:
    """`image` (h, w, 3), uint8 or uint16, with the mean colour of `base` (uint8) inside the mask (h, w).

    Each channel is multiplied by one factor, as by a light of another colour (von Kries): black stays black, which an
    offset would tint. Pixels outside the mask are unchanged.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return image
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    weight = (mask[box] / mask[box].sum())[:, :, None]
    max_value = float(np.iinfo(image.dtype).max)
    mean = (image[box] * weight).sum(axis=(0, 1)) / max_value
    base_mean = (base[box] * weight).sum(axis=(0, 1)) / 255
    gain = np.clip(base_mean / np.maximum(mean, 1e-3), *GAIN_LIMITS)
    result = image.copy()
    result[box] = np.rint(np.minimum(image[box] * gain, max_value)).astype(image.dtype)
    return result
