"""The background behind the subject of reference frames, from other reference frames that show it.

A reference frame without alignment gives what does not move. What does is replaced by the background: a body by its
mask, without masks only its limbs, or what `LinearMotion` finds to follow the points, such as a head with its hair, as
far as it is at another place in the generated frame. Frames of several scenes or of a moving camera have several
backgrounds: those are grouped. A frame whose background is in no group keeps its limbs, and any other subject is
replaced by what surrounds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.data.scene_positions import Positions
from vid2vid_cli.media.images import resize_image

MAX_FRAMES = 32
"""Frames that are compared, spread over all of them."""
CELL_SIZE = 4
"""Side in pixels of the cells at which the proximity is computed."""
COMPARED_SIZE = 32
"""Cells on the longer side of the images by which backgrounds are compared."""
MAX_DIFFERENCE = 12.0
"""Largest mean difference of the same background in two frames, of 255."""
MIN_SHARED_CELLS = 0.1
"""Smallest share of cells without the subject in both frames that allows a comparison."""
WEIGHT_EXPONENT = 4
"""The weight of a frame at a pixel is (1 - proximity) to this power."""
SUBJECT_OFFSETS, NUM_SHARES = (0.15, 0.35), 3
"""A head that is displaced by less than the first number of its radii remains, one by more than the second is replaced;
between, in a number of steps, so that frames can be kept."""
ROWS_PER_BLOCK = 32
"""Rows whose median is computed at once; limits memory."""


@dataclass(frozen=True)
class ReferenceFrame:
    """A frame uint8 (h, w, 3) with the proximity (a, b) of its subject, from 0 to 1 on the subject."""

    image: UInt8Array
    proximity: FloatArray

    def reduced(self) -> ReferenceFrame:
        """The frame at the size of its proximity."""
        return replace(self, image=resize_image(self.image, *self.proximity.shape))

    @cached_property
    def thumbnail(self) -> tuple[FloatArray, FloatArray]:
        """Image and proximity at the size at which backgrounds are compared."""
        height, width = self.proximity.shape
        scale = min(1.0, COMPARED_SIZE / max(height, width))
        size = max(1, round(scale * height)), max(1, round(scale * width))
        proximity = cv2.resize(self.proximity, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        return resize_image(self.image, *size).astype(np.float32), proximity.astype(np.float32)


def make_reference_frame(
    image: UInt8Array, size: tuple[int, int], subject_proximity: Callable[[Positions], FloatArray | None]
) -> ReferenceFrame:
    """`image` at any size with the proximity of its subject at `size` (height, width).

    `subject_proximity`: from positions (a, b) in pixels, x + iy, at which it is computed; None if it is unknown.
    """
    height, width = size
    rows, columns = (np.arange(-(-side // CELL_SIZE)) * CELL_SIZE + (CELL_SIZE - 1) / 2 for side in size)
    proximity = subject_proximity(columns[None] + 1j * rows[:, None])
    if proximity is None:
        return ReferenceFrame(image, np.zeros(size, np.float32))
    enlarged = resize_image(proximity, len(rows) * CELL_SIZE, len(columns) * CELL_SIZE)
    return ReferenceFrame(image, enlarged[:height, :width])


class ReferenceBackgrounds:
    """The backgrounds of the reference frames of a model."""

    def __init__(
        self, num_frames: int, load_frame: Callable[[int], ReferenceFrame], *, interpolates_hidden: bool = False
    ) -> None:
        """`load_frame`: frame `index`, with proximities of one size; up to MAX_FRAMES are loaded.

        `interpolates_hidden`: what is behind the subject in all frames is interpolated from its surroundings.
        """
        frames = [load_frame(index).reduced() for index in evenly_spaced(num_frames, MAX_FRAMES)]
        groups: list[list[ReferenceFrame]] = []
        for frame in frames:
            group = next((group for group in groups if _has_same_background(group[0], frame)), None)
            if group is None:
                groups.append([frame])
            else:
                group.append(frame)
        self._interpolates_hidden = interpolates_hidden
        self._groups = [(group[0], self._find_background(group)) for group in groups if len(group) > 1]

    def fill(self, frame: ReferenceFrame, opacity: float = 1.0) -> UInt8Array:
        """The image of a frame, in which its background covers its subject with an opacity."""
        known = next((known for first, known in self._groups if _has_same_background(first, frame)), None)
        if known is None and not self._interpolates_hidden:
            return frame.image
        background, reliability = known or self._find_background([frame.reduced()])
        height, width = frame.image.shape[:2]
        cells = (opacity * np.clip(1.5 * frame.proximity, 0, 1) * reliability).astype(np.float32)
        share = np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        enlarged = resize_image(background, height, width)
        return np.asarray(cv2.blendLinear(enlarged, frame.image, share, 1 - share), np.uint8)

    def _find_background(self, frames: Sequence[ReferenceFrame]) -> tuple[UInt8Array, FloatArray]:
        """The background (a, b, 3) and how reliable it is (a, b) from 0 to 1."""
        background, reliability = _weighted_median(frames)
        if not self._interpolates_hidden:
            return background, reliability
        return _interpolate_hidden(background, reliability), np.ones_like(reliability)


def background_share(offset: float) -> float:
    """Opacity of the background for a head that is displaced by `offset` radii in the generated frame; inf: unknown."""
    low, high = SUBJECT_OFFSETS
    return round(NUM_SHARES * min(max((offset - low) / (high - low), 0.0), 1.0)) / NUM_SHARES


def dilate(proximity: FloatArray) -> FloatArray:
    """The proximity (a, b) with that of the adjacent cells, if that is larger: the subject's outline is uncertain."""
    return np.asarray(cv2.dilate(proximity, np.ones((3, 3), np.uint8)), np.float32)


def _has_same_background(first: ReferenceFrame, second: ReferenceFrame) -> bool:
    (first_image, first_proximity), (second_image, second_proximity) = first.thumbnail, second.thumbnail
    is_background = np.maximum(first_proximity, second_proximity) < 0.1
    if is_background.mean() < MIN_SHARED_CELLS:
        return False
    return bool(np.abs(first_image - second_image)[is_background].mean() <= MAX_DIFFERENCE)


def _weighted_median(frames: Sequence[ReferenceFrame]) -> tuple[UInt8Array, FloatArray]:
    """The background (a, b, 3), and how reliable it is (a, b) from 0 to 1: whether enough frames show it."""
    background = np.empty_like(frames[0].image)
    reliability = np.empty(background.shape[:2], np.float32)
    for row in range(0, len(background), ROWS_PER_BLOCK):
        rows = slice(row, row + ROWS_PER_BLOCK)
        weights = (1 - np.stack([frame.proximity[rows] for frame in frames])) ** WEIGHT_EXPONENT
        background[rows] = _median_of_block(np.stack([frame.image[rows] for frame in frames]), weights)
        reliability[rows] = np.clip(10 * weights.mean(axis=0), 0, 1)
    return background, reliability


def _median_of_block(images: UInt8Array, weights: NDArray[np.floating]) -> UInt8Array:
    """(n, h, w, 3) images, weights (n, h, w) -> (h, w, 3).

    Values and weights of 8 bits are sorted as one number, which takes a third of the time of sorting indices.
    """
    byte_weights = np.rint(254 * weights).astype(np.uint16) + 1
    keys = np.moveaxis((images.astype(np.uint16) << 8) | byte_weights[..., None], 0, -1).copy()
    keys.sort(axis=-1)
    cumulative = np.cumsum(keys & 255, axis=-1, dtype=np.uint32)
    position = (2 * cumulative < cumulative[..., -1:]).sum(axis=-1)
    return (np.take_along_axis(keys, position[..., None], axis=-1)[..., 0] >> 8).astype(np.uint8)


def _interpolate_hidden(background: UInt8Array, reliability: FloatArray) -> UInt8Array:
    """The background with its unreliable parts interpolated from the others: a weighted pyramid, coarse to fine."""
    colours: FloatArray = background.astype(np.float32)
    weights: FloatArray = reliability[..., None]
    levels: list[tuple[FloatArray, FloatArray]] = []
    while min(weights.shape[:2]) > 1:
        levels.append((colours, weights))
        size = -(-weights.shape[1] // 2), -(-weights.shape[0] // 2)
        layers = np.asarray(
            cv2.pyrDown(np.concatenate([colours * weights, weights], axis=-1), dstsize=size), np.float32
        )
        colours = np.asarray(layers[..., :3] / np.maximum(layers[..., 3:], 1e-6), np.float32)
        weights = np.minimum(2 * layers[..., 3:], np.float32(1))
    for finer_colours, finer_weights in reversed(levels):
        height, width = finer_weights.shape[:2]
        enlarged = np.asarray(cv2.pyrUp(colours, dstsize=(width, height)), np.float32)
        colours = (enlarged + finer_weights * (finer_colours - enlarged)).astype(np.float32)
    filled: UInt8Array = np.clip(colours, 0, 255).round().astype(np.uint8)
    return filled
