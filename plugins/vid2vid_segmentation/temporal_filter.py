"""Temporal smoothing of class probabilities along the optical flow, to reduce flicker."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, UInt8Array, VideoFrame
from vid2vid_segmentation.backend import resize
from vid2vid_segmentation.label_fusion import ClassProbabilities

# Difference between the warped past and the current frame, in grey levels, at which the past weight drops to 1/e.
GREY_LEVEL_TOLERANCE = 10.0
MIN_PROBABILITY = 0.02  # classes that nowhere exceed this are dropped from the past


class TemporalLabelFilter:
    """Exponential moving average along the optical flow; causal, and reset at every cut.

    `p = w * past + (1 - w) * current` with `w = smoothing * exp(-(d / GREY_LEVEL_TOLERANCE)^2)`, where `past` is warped
    by DIS flow and `d` is the difference in grey levels between the frame and the warped previous frame. Where the
    flow is wrong, d is large and only the current frame counts.
    """

    def __init__(self, smoothing: float) -> None:
        self._smoothing = smoothing
        self._past_probabilities: ClassProbabilities | None = None
        self._past_grey: UInt8Array | None = None
        self._optical_flow: Any = None

    def observe(self, frame: VideoFrame) -> tuple[int, ...]:
        """Start the next frame; return the class ids whose probabilities the filter needs."""
        if self._smoothing <= 0:
            return ()
        if frame.is_cut:
            self._past_probabilities = None
        return self._past_probabilities.class_ids if self._past_probabilities is not None else ()

    def __call__(self, current: ClassProbabilities, frame: UInt8Array) -> ClassProbabilities:
        """Return the smoothed probabilities of the frame of the last `observe`."""
        if self._smoothing <= 0:
            return current
        height, width = current.values.shape[1:]
        grey = np.asarray(cv2.cvtColor(resize(frame, height, width), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        past, past_grey = self._past_probabilities, self._past_grey
        if past is None or past_grey is None:
            smoothed = current
        else:
            x, y = self._source_coordinates(grey, past_grey)
            warped_grey = _warp(past_grey.astype(np.float32), x, y)
            weight = self._past_weight(grey, warped_grey)
            values = current.values.copy()
            for index, class_id in enumerate(current.class_ids):
                values[index] *= 1 - weight
                if class_id in past.class_ids:
                    values[index] += weight * _warp(past.values[past.class_ids.index(class_id)], x, y)
            smoothed = ClassProbabilities(current.class_ids, values)
        self._past_probabilities, self._past_grey = _drop_faint_classes(smoothed), grey
        return smoothed

    def _source_coordinates(self, grey: UInt8Array, past_grey: UInt8Array) -> tuple[FloatArray, FloatArray]:
        """Return the position of each pixel in the previous frame, as x and y (h, w)."""
        height, width = grey.shape
        if min(height, width) < 16:  # too small for the pyramid of the flow
            flow = np.zeros((height, width, 2), dtype=np.float32)
        else:
            if self._optical_flow is None:
                self._optical_flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
            flow = self._optical_flow.calc(grey, past_grey, None)
        x = flow[..., 0] + np.arange(width, dtype=np.float32)[None, :]
        y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
        return x, y

    def _past_weight(self, grey: UInt8Array, warped_grey: FloatArray) -> FloatArray:
        difference = cv2.blur(np.abs(grey.astype(np.float32) - warped_grey), (5, 5)) / np.float32(GREY_LEVEL_TOLERANCE)
        weight: FloatArray = np.float32(self._smoothing) * np.exp(-difference * difference)
        return weight


def _warp(image: NDArray[Any], x: FloatArray, y: FloatArray) -> FloatArray:
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)


def _drop_faint_classes(probabilities: ClassProbabilities) -> ClassProbabilities:
    kept_indices = [
        index
        for index in range(len(probabilities.class_ids))
        if index == 0 or probabilities.values[index].max() > MIN_PROBABILITY
    ]
    if len(kept_indices) == len(probabilities.class_ids):
        return probabilities
    return ClassProbabilities(
        tuple(probabilities.class_ids[index] for index in kept_indices), probabilities.values[kept_indices]
    )
