"""What both detectors have in common: faces on a frame, and pieces of a frame at another scale."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, Floats


@dataclass(frozen=True)
class Face:
    """A face on a frame: 68 points in pixels, and how sure the detector is, 0..1."""

    points: Floats
    score: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The points' bounding box (x0, y0, x1, y1)."""
        (x0, y0), (x1, y1) = self.points.min(axis=0), self.points.max(axis=0)
        return float(x0), float(y0), float(x1), float(y1)


class Backend(ABC):
    """A detector for one video; use as a context manager."""

    @abstractmethod
    def faces(self, frame: Bytes, near: Face | None) -> list[Face]:
        """All faces on the next frame; `near` is the one that is followed, as it was last seen."""

    def close(self) -> None:
        """Give back what the library holds."""
        return

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@dataclass(frozen=True)
class Crop:
    """A piece of a frame at another scale, and the way back."""

    image: Bytes
    x: int
    y: int
    scale: float

    def back(self, points: Floats) -> Floats:
        """Points (n, 2) in pixel centres of the crop, in those of the frame."""
        offset = np.array([self.x, self.y], dtype=np.float32)
        return ((points + 0.5) / self.scale - 0.5 + offset).astype(np.float32)


def crop(frame: Bytes, box: tuple[float, float, float, float], scale: float) -> Crop:
    """The part of `box` (x0, y0, x1, y1) that lies in the frame, resized; at least 8 pixels a side are kept."""
    height, width = frame.shape[:2]
    x0 = int(np.clip(box[0], 0, max(width - 8, 0)))
    y0 = int(np.clip(box[1], 0, max(height - 8, 0)))
    x1 = int(np.clip(box[2], x0 + min(8, width), width))
    y1 = int(np.clip(box[3], y0 + min(8, height), height))
    piece: NDArray[Any] = frame[y0:y1, x0:x1]
    if scale != 1:
        flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
        piece = cv2.resize(piece, size, interpolation=flags)
    return Crop(np.ascontiguousarray(piece, dtype=np.uint8), x0, y0, scale)
