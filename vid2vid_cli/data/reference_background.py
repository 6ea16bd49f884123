"""The background behind the limbs of reference frames, from other reference frames that show it.

A reference frame without alignment gives what does not move. Its limbs, which do, are replaced by the background.
Frames of several scenes or of a moving camera have several backgrounds: those are grouped, and a frame whose background
is in no group keeps its limbs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.media.images import resize_image

MAX_FRAMES = 32
"""Frames that are compared, spread over all of them."""
CELL_SIZE = 4
"""Side in pixels of the cells at which the proximity of limbs is computed."""
COMPARED_SIZE = 32
"""Cells on the longer side of the images by which backgrounds are compared."""
MAX_DIFFERENCE = 12.0
"""Largest mean difference of the same background in two frames, of 255."""
MIN_SHARED_CELLS = 0.1
"""Smallest share of cells without limbs in both frames that allows a comparison."""
WEIGHT_EXPONENT = 4
"""The weight of a frame at a pixel is (1 - proximity) to this power."""
ROWS_PER_BLOCK = 32
"""Rows whose median is computed at once; limits memory."""


@dataclass(frozen=True)
class ReferenceFrame:
    """A frame uint8 (h, w, 3) with the proximity (h, w) of its limbs, 1 on a limb; see `bone_proximity`."""

    image: UInt8Array
    proximity: FloatArray

    @property
    def thumbnail(self) -> tuple[FloatArray, FloatArray]:
        """Image (a, b, 3) and proximity (a, b) at the size at which backgrounds are compared."""
        height, width = self.proximity.shape
        scale = min(1.0, COMPARED_SIZE / max(height, width))
        size = max(1, round(scale * height)), max(1, round(scale * width))
        proximity = cv2.resize(self.proximity, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        return resize_image(self.image, *size).astype(np.float32), proximity.astype(np.float32)


class ReferenceBackgrounds:
    """The backgrounds of the reference frames of a model."""

    def __init__(self, num_frames: int, load_frame: Callable[[int], ReferenceFrame]) -> None:
        """`load_frame`: frame `index` at the size of the generated frames; up to MAX_FRAMES are loaded."""
        self._load_frame = load_frame
        frames = [load_frame(index) for index in evenly_spaced(num_frames, MAX_FRAMES)]
        groups: list[list[ReferenceFrame]] = []
        for frame in frames:
            group = next((group for group in groups if _has_same_background(group[0], frame)), None)
            if group is None:
                groups.append([frame])
            else:
                group.append(frame)
        self._groups = [(group[0], *_weighted_median(group)) for group in groups if len(group) > 1]

    def fill(self, index: int, image: UInt8Array) -> UInt8Array:
        """Frame `index` at any size (h, w, 3), with the background in place of its limbs."""
        frame = self._load_frame(index)
        for first_frame, background, reliability in self._groups:
            if _has_same_background(first_frame, frame):
                share = np.clip(1.5 * frame.proximity, 0, 1) * reliability
                height, width = image.shape[:2]
                size = width, height
                opacity = cv2.resize(share.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)[..., None]
                blended = image + opacity * (resize_image(background, height, width).astype(np.float32) - image)
                filled: UInt8Array = blended.round().astype(np.uint8)
                return filled
        return image


def _has_same_background(first: ReferenceFrame, second: ReferenceFrame) -> bool:
    (first_image, first_proximity), (second_image, second_proximity) = first.thumbnail, second.thumbnail
    is_background = np.maximum(first_proximity, second_proximity) < 0.1
    if is_background.mean() < MIN_SHARED_CELLS:
        return False
    return bool(np.abs(first_image - second_image)[is_background].mean() <= MAX_DIFFERENCE)


def _weighted_median(frames: Sequence[ReferenceFrame]) -> tuple[UInt8Array, FloatArray]:
    """The background (h, w, 3), and how reliable it is (h, w) from 0 to 1: whether enough frames show it."""
    images = np.stack([frame.image for frame in frames])
    weights = (1 - np.stack([frame.proximity for frame in frames])) ** WEIGHT_EXPONENT + 1e-4
    background = np.empty_like(images[0])
    for row in range(0, len(background), ROWS_PER_BLOCK):
        rows = slice(row, row + ROWS_PER_BLOCK)
        background[rows] = _median_of_block(images[:, rows], weights[:, rows])
    return background, np.clip(10 * weights.mean(axis=0), 0, 1).astype(np.float32)


def _median_of_block(images: UInt8Array, weights: NDArray[np.floating]) -> UInt8Array:
    order = np.argsort(images, axis=0, kind="stable")
    sorted_weights = np.take_along_axis(np.broadcast_to(weights[..., None], images.shape), order, axis=0)
    cumulative = np.cumsum(sorted_weights, axis=0)
    position = (cumulative < cumulative[-1] / 2).sum(axis=0)
    chosen = np.take_along_axis(order, position[None], axis=0)
    median: UInt8Array = np.take_along_axis(images, chosen, axis=0)[0]
    return median
