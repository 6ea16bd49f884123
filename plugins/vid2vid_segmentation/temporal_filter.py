"""Label maps without flicker: each frame's probabilities are mixed with the past, which is carried along the motion."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, CutDetector, Floats
from vid2vid_segmentation.backend import resized
from vid2vid_segmentation.label_fusion import Planes

# Grey levels by which the past, carried along, may miss the present before it is distrusted.
TOLERANCE = 10.0
FAINT = 0.02  # a class whose probability is nowhere above this is forgotten


class Steady:
    """An exponential average along the optical flow; causal, and empty again after every cut.

    `p = w * past + (1 - w) * now`, where `w` is `share` times `exp(-(d / TOLERANCE)^2)`, and `d` the difference in
    grey levels between the frame and the one before it, warped onto it by DIS flow: where the past was somewhere
    else, or cannot be followed, the present counts alone.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._is_cut = CutDetector()
        self._past: Planes | None = None
        self._grey: Bytes | None = None
        self._flow: Any = None

    def watch(self, frame: Bytes) -> tuple[int, ...]:
        """Before the next frame is looked at: the classes whose probabilities will be wanted."""
        if self._share <= 0:
            return ()
        if self._is_cut(frame):
            self._past = None
        return self._past.ids if self._past is not None else ()

    def __call__(self, now: Planes, frame: Bytes) -> Planes:
        """The steadied probabilities of the frame that was watched last."""
        if self._share <= 0:
            return now
        height, width = now.values.shape[1:]
        grey = np.asarray(cv2.cvtColor(resized(frame, height, width), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        past, before = self._past, self._grey
        if past is None or before is None:
            mixed = now
        else:
            x, y = self._sources(grey, before)
            carried = _warp(before.astype(np.float32), x, y)
            weight = self._weight(grey, carried)
            values = now.values.copy()
            for number, id_ in enumerate(now.ids):
                values[number] *= 1 - weight
                if id_ in past.ids:
                    values[number] += weight * _warp(past.values[past.ids.index(id_)], x, y)
            mixed = Planes(now.ids, values)
        self._past, self._grey = _without_faint(mixed), grey
        return mixed

    def _sources(self, grey: Bytes, before: Bytes) -> tuple[Floats, Floats]:
        """Where each pixel was one frame earlier, as x and y (h, w)."""
        height, width = grey.shape
        if min(height, width) < 16:  # too small for the flow's pyramid
            flow = np.zeros((height, width, 2), dtype=np.float32)
        else:
            if self._flow is None:
                self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
            flow = self._flow.calc(grey, before, None)
        x = flow[..., 0] + np.arange(width, dtype=np.float32)[None, :]
        y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
        return x, y

    def _weight(self, grey: Bytes, carried: Floats) -> Floats:
        difference = cv2.blur(np.abs(grey.astype(np.float32) - carried), (5, 5)) / np.float32(TOLERANCE)
        weight: Floats = np.float32(self._share) * np.exp(-difference * difference)
        return weight


def _warp(plane: NDArray[Any], x: Floats, y: Floats) -> Floats:
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)


def _without_faint(mixed: Planes) -> Planes:
    kept = [number for number in range(len(mixed.ids)) if number == 0 or mixed.values[number].max() > FAINT]
    if len(kept) == len(mixed.ids):
        return mixed
    return Planes(tuple(mixed.ids[number] for number in kept), mixed.values[kept])
