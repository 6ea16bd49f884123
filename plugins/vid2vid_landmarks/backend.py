"""The interface of face detection backends: one frame in, detected faces out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, UInt8Array


@dataclass(frozen=True)
class DetectedFace:
    """A detected face: 68 points (68, 2) in pixels of the frame, and the detector's confidence in [0, 1]."""

    points: FloatArray
    score: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Bounding box (x0, y0, x1, y1) of the points."""
        (x0, y0), (x1, y1) = self.points.min(axis=0), self.points.max(axis=0)
        return float(x0), float(y0), float(x1), float(y1)


class FaceBackend(ABC):
    """A face detector for the frames of one video, in order; use it as a context manager."""

    @abstractmethod
    def detect_faces(self, frame: UInt8Array, tracked_face: DetectedFace | None) -> list[DetectedFace]:
        """Detect the faces on the next frame.

        `tracked_face` is the tracked face at its last detection; a backend may search its surroundings first.
        """

    def close(self) -> None:
        """Release the library's resources."""
        return

    def __enter__(self) -> FaceBackend:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@dataclass(frozen=True)
class ScaledCrop:
    """A resized crop of a frame, with its offset and scale."""

    image: UInt8Array
    x: int
    y: int
    scale: float

    def to_frame(self, points: FloatArray) -> FloatArray:
        """Convert points (n, 2) from pixels of the crop to pixels of the frame (integers are pixel centres)."""
        offset = np.array([self.x, self.y], dtype=np.float32)
        return ((points + 0.5) / self.scale - 0.5 + offset).astype(np.float32)


def crop_and_resize(frame: UInt8Array, box: tuple[float, float, float, float], scale: float) -> ScaledCrop:
    """Crop a frame to `box` (x0, y0, x1, y1), clipped to the frame, and resize the crop by `scale`.

    The crop is at least 8 pixels wide and high if the frame is.
    """
    height, width = frame.shape[:2]
    x0 = int(np.clip(box[0], 0, max(width - 8, 0)))
    y0 = int(np.clip(box[1], 0, max(height - 8, 0)))
    x1 = int(np.clip(box[2], x0 + min(8, width), width))
    y1 = int(np.clip(box[3], y0 + min(8, height), height))
    pixels: NDArray[Any] = frame[y0:y1, x0:x1]
    if scale != 1:
        flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
        pixels = cv2.resize(pixels, size, interpolation=flags)
    return ScaledCrop(np.ascontiguousarray(pixels, dtype=np.uint8), x0, y0, scale)
