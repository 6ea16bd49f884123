"""Interface of the segmentation backends: frames in, class scores per pixel out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, UInt8Array


@dataclass(frozen=True)
class TileScores:
    """Scores of one tile of a frame: `scores` (classes, h, w) are logits.

    `top` and `left` are the tile's position on the canvas, which is the whole frame at the network's input scale.
    """

    top: int
    left: int
    scores: FloatArray


@dataclass(frozen=True)
class TiledScores:
    """All tiles of one frame, and the size of the canvas."""

    height: int
    width: int
    tiles: tuple[TileScores, ...]


class Segmenter(ABC):
    """A segmentation network for one video; use as a context manager."""

    class_ids: tuple[int, ...]
    """Label map id of each class of the network; the first is the background."""
    batch_size: int = 1
    """Number of frames per call of `predict`."""

    @abstractmethod
    def predict(self, frames: Sequence[UInt8Array]) -> list[TiledScores]:
        """Return the scores of up to `batch_size` frames, all (h, w, 3) uint8 RGB of the same size."""

    def close(self) -> None:
        """Release the resources of the library."""
        return

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def resize(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Resize an image or a score map; averages along an axis that shrinks to less than half."""
    # One axis at a time: OpenCV does not use the area filter if one axis grows. Up to a factor of two, linear
    # interpolation covers every pixel too, and is several times faster.
    for axis, length in ((0, height), (1, width)):
        if image.shape[axis] > 2 * length:
            size = (image.shape[1], length) if axis == 0 else (length, image.shape[0])
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR))
