"""Appearance of a person in a box: colour histograms, to recognise the person after an absence."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import Box, FloatArray, UInt8Array

INNER_WIDTH_SHARE = 0.6
"""Share of the width of a box that is used, in its middle; the rest is mostly background."""
NUM_BANDS = 2
"""Number of horizontal bands with a histogram each: the upper and the lower half of the box."""
MAX_SAMPLES_PER_SIDE = 64
"""Pixels per side that are sampled at most."""
HISTOGRAM_BINS = [4, 10, 10]
HISTOGRAM_RANGES = [0.0, 256.0, 88.0, 168.0, 88.0, 168.0]
"""Bins and ranges of L, a and b in OpenCV's 8-bit Lab; almost all a and b lie in this range, the others are clipped."""


def measure_appearance(rgb: UInt8Array, box: Box) -> FloatArray | None:
    """Return a Lab colour histogram for each band of a box in a frame (h, w, 3), (bands, bins); each sums to 1.

    None if less than two pixels per band lie in the frame.
    """
    margin = (1 - INNER_WIDTH_SHARE) / 2 * (box[2] - box[0])
    height, width = rgb.shape[:2]
    left, right = (int(np.clip(round(x), 0, width)) for x in (box[0] + margin, box[2] - margin))
    top, bottom = (int(np.clip(round(y), 0, height)) for y in (box[1], box[3]))
    pixels: NDArray[Any] = rgb[top:bottom, left:right]
    if min(pixels.shape[:2]) < NUM_BANDS:
        return None
    step_y, step_x = (max(1, side // MAX_SAMPLES_PER_SIDE) for side in pixels.shape[:2])
    lab = cv2.cvtColor(np.ascontiguousarray(pixels[::step_y, ::step_x]), cv2.COLOR_RGB2LAB)
    lab[..., 1:] = lab[..., 1:].clip(HISTOGRAM_RANGES[2], HISTOGRAM_RANGES[3] - 1)
    histograms = [
        cv2.calcHist([np.ascontiguousarray(band)], [0, 1, 2], None, HISTOGRAM_BINS, HISTOGRAM_RANGES).ravel()
        / (band.shape[0] * band.shape[1])
        for band in np.array_split(lab, NUM_BANDS)
    ]
    return np.asarray(histograms, dtype=np.float32)


def appearance_distance(first: FloatArray | None, second: FloatArray | None) -> float:
    """Return the mean Hellinger distance of the bands, 0 to 1; 0 if an appearance is unknown."""
    if first is None or second is None:
        return 0.0
    similarities = np.sqrt(first * second).sum(axis=1)
    return float(np.sqrt(np.maximum(1 - similarities, 0)).mean())
