"""What all networks have in common: frames in, what each pixel might be out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, Floats


@dataclass(frozen=True)
class Look:
    """What a network said about one part of a frame: `scores` (classes, h, w), the higher the likelier (logits).

    `top` and `left` are its place on the canvas, the whole frame at the size at which the network saw it.
    """

    top: int
    left: int
    scores: Floats


@dataclass(frozen=True)
class Looks:
    """All parts of one frame, and the size of the canvas that they cover."""

    height: int
    width: int
    parts: tuple[Look, ...]


class Segmenter(ABC):
    """A network for one video; use as a context manager."""

    ids: tuple[int, ...]
    """The id in the label map of each of its classes; the first is the background."""
    batch: int = 1
    """How many frames it takes at a time."""

    @abstractmethod
    def look(self, frames: Sequence[Bytes]) -> list[Looks]:
        """What is seen on each of up to `batch` frames, all (h, w, 3) uint8 RGB of one size."""

    def close(self) -> None:
        """Give back what the library holds."""
        return

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def resized(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """An image or a plane of scores at another size; averaged where it shrinks to less than half."""
    # Axis by axis: the area filter of OpenCV falls back to something else when one axis grows. Up to a factor of two
    # each pixel has its place in a linear filter too, which is several times as fast.
    for axis, length in ((0, height), (1, width)):
        if image.shape[axis] > 2 * length:
            size = (image.shape[1], length) if axis == 0 else (length, image.shape[0])
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR))
