"""Conversion of a network's output to the values of a map, with smoothing over time."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, UInt8Array
from vid2vid_onnx.description import NetworkDescription
from vid2vid_onnx.options import MapKind

DEPTH_PERCENTILES = (1.0, 99.0)
"""Percentiles of relative depth that become 0 and 1; outliers would compress the rest."""
GREY_LEVEL_TOLERANCE = 10.0
"""Change of a pixel in grey levels at which the weight of the past drops to 1/e."""
RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
RANGE_TOLERANCE = 0.02
"""Excess over a range, as a share of it, that rounding and interpolation explain."""


class MapConverter:
    """Converts the outputs of one clip, in order, to float maps (h, w, c) in 0 to 1; causal, reset at every cut."""

    def __init__(self, kind: MapKind, description: NetworkDescription, smoothing: float) -> None:
        self._kind, self._description, self._smoothing = kind, description, smoothing
        self._range: tuple[float, float] | None = description.range
        self._activation = description.activation
        self._limits: NDArray[np.float64] | None = None
        self._past_map: FloatArray | None = None
        self._past_grey: UInt8Array | None = None
        self.notices: list[str] = []
        """Sentences on what is assumed; filled by the first call."""
        self._is_first = True

    def __call__(self, output: NDArray[Any], frame: UInt8Array, *, is_cut: bool) -> NDArray[Any]:
        """(h, w, c) output and (H, W, 3) frame -> (h, w, c) float32 in 0 to 1; class ids (h, w, 1) are unchanged."""
        if is_cut:
            self._limits = self._past_map = self._past_grey = None
        if output.dtype.kind in "iu" and self._kind == "labels":
            return output
        values: FloatArray = np.nan_to_num(output.astype(np.float32))
        if self._is_first:
            self._is_first = False
            self._choose_range(values)
        return self._smooth(self._normalise(values), frame)

    def _choose_range(self, values: FloatArray) -> None:
        """Choose what the description leaves open, from the first frame."""
        low, high = float(values.min()), float(values.max())
        if self._kind == "labels":
            if self._activation is None:
                is_probability = low >= 0 and abs(float(values.sum(axis=2).mean()) - 1) < RANGE_TOLERANCE
                self._activation = "none" if is_probability else "softmax"
            return
        if self._kind == "depth" or self._range is not None:
            return
        if self._kind in ("edges", "lineart") and self._activation is None and low < 0:
            self._activation = "sigmoid"
            self.notices.append("The output has negative values and is taken as logits.")
        if self._activation == "sigmoid":
            self._range = (0.0, 1.0)
            return
        for candidate in RANGES:
            margin = RANGE_TOLERANCE * (candidate[1] - candidate[0])
            if candidate[0] - margin <= low and high <= candidate[1] + margin:
                self._range = candidate
                break
        else:
            self._range = (low, high)
        self.notices.append(
            f"The output lies in {low:.3g} to {high:.3g} on the first frame; its range is taken as "
            f"{self._range[0]:g} to {self._range[1]:g}."
        )

    def _normalise(self, values: FloatArray) -> FloatArray:
        if self._activation == "sigmoid":
            values = 1 / (1 + np.exp(-values.clip(-60, 60)))
        elif self._activation == "softmax":
            values = np.exp(values - values.max(axis=2, keepdims=True))
            values /= values.sum(axis=2, keepdims=True)
        if self._kind == "labels":
            return values
        if self._kind == "normal" and self._range is not None:
            low, high = self._range
            vectors = (values - low) * (2 / (high - low)) - 1
            lengths = np.linalg.norm(vectors, axis=2, keepdims=True)
            return np.asarray(vectors / np.maximum(lengths, 1e-6) / 2 + 0.5, np.float32)
        low, high = self._depth_limits(values) if self._kind == "depth" else (self._range or (0.0, 1.0))
        return ((values - np.float32(low)) / np.float32(max(high - low, 1e-6))).clip(0, 1)

    def _depth_limits(self, values: FloatArray) -> tuple[float, float]:
        """Smoothed limits: relative depth has an unknown scale and offset on every frame."""
        limits: NDArray[np.float64] = np.percentile(values[::4, ::4], DEPTH_PERCENTILES).astype(np.float64)
        if self._limits is not None:
            limits = self._smoothing * self._limits + (1 - self._smoothing) * limits
        self._limits = limits
        return float(limits[0]), float(limits[1])

    def _smooth(self, values: FloatArray, frame: UInt8Array) -> FloatArray:
        """Exponential moving average of each pixel, with a lower weight of the past where the frame changes."""
        if self._smoothing <= 0:
            return values
        height, width = values.shape[:2]
        small_frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small_frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        if self._past_map is not None and self._past_grey is not None and self._past_map.shape == values.shape:
            change = cv2.blur(cv2.absdiff(grey, self._past_grey).astype(np.float32), (5, 5)) / GREY_LEVEL_TOLERANCE
            weight = (np.float32(self._smoothing) * np.exp(-change * change))[:, :, None]
            values = weight * self._past_map + (1 - weight) * values
        self._past_map, self._past_grey = values, grey
        return values
