"""Where one shot ends and the next begins, told from the past alone, so that it works on a stream."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 32
THRESHOLD = 25.0
"""Grey levels by which a thumbnail changes on average where a new shot begins."""


class CutDetector:
    """Fed every frame of a video in order; says of each whether a new shot begins with it."""

    def __init__(self) -> None:
        self._before: NDArray[Any] | None = None

    def __call__(self, frame: NDArray[np.uint8]) -> bool:
        """Whether `frame`, (h, w, 3) uint8 RGB, begins a new shot; never the first frame."""
        small = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        cut = self._before is not None and float(np.abs(small - self._before).mean()) > THRESHOLD
        self._before = small
        return cut
