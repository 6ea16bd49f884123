"""Edge detectors for one grey frame, and temporal smoothing of their levels.

Each detector has three steps: `edge_response` filters the frame, `auto_level` computes a level from the response (a
threshold or a white point), and `draw_edges` converts both to uint8 lines. Levels are smoothed before the last step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import UInt8Array

EdgeMethod = Literal["canny", "scharr", "sobel", "log", "xdog"]
AutoThreshold = Literal["otsu", "median"]

# Lower limits of the level, in grey levels per pixel, above the compression noise of a blank frame.
MIN_LEVEL = {"canny": 5.0, "scharr": 12.0, "sobel": 12.0, "log": 3.0, "xdog": 1.0}


@dataclass(frozen=True)
class FilterResponse:
    """A filtered frame: `magnitude` >= 0 in grey levels, and the two derivatives for Canny."""

    magnitude: NDArray[Any]
    dx: NDArray[Any] | None = None
    dy: NDArray[Any] | None = None


def edge_response(gray: UInt8Array, method: EdgeMethod, sigma: float) -> FilterResponse:
    """Filter a grey frame (h, w); `sigma` is the standard deviation of the blur in pixels."""
    image: NDArray[Any] = gray.astype(np.float32)
    if method == "xdog":
        return FilterResponse(_difference_of_gaussians(image, max(sigma, 0.5)))
    if sigma > 0:
        image = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    if method == "log":
        # The dark side of an edge is positive: one line per edge, and dark strokes are filled.
        return FilterResponse(np.maximum(cv2.Laplacian(image, cv2.CV_32F, ksize=3, borderType=cv2.BORDER_REPLICATE), 0))
    dx, dy = _derivatives(image, method)
    return FilterResponse(cv2.magnitude(dx, dy), dx, dy)


def auto_level(response: FilterResponse, method: EdgeMethod, auto_threshold: AutoThreshold) -> float:
    """Return the threshold (canny) or white point (other methods) of this frame."""
    magnitude = response.magnitude
    if method != "canny":
        return max(float(np.percentile(magnitude, 99)), MIN_LEVEL[method])
    if auto_threshold == "median":
        # The median gradient measures the texture; edges exceed it.
        return max(4.0 * float(np.median(magnitude)), MIN_LEVEL[method])
    return max(_otsu_threshold(magnitude), MIN_LEVEL[method])


def draw_edges(response: FilterResponse, method: EdgeMethod, level: float) -> UInt8Array:
    """Return lines (h, w) uint8, 255 on an edge: thin and binary for canny, soft for the other methods."""
    if method == "canny":
        assert response.dx is not None
        assert response.dy is not None
        # cv2.Canny needs integers; units of 1/16 grey level preserve weak edges.
        dx, dy = (np.rint(derivative * 16).astype(np.int16) for derivative in (response.dx, response.dy))
        return np.asarray(cv2.Canny(dx, dy, 16 * 0.4 * level, 16 * level, L2gradient=True), dtype=np.uint8)
    intensity = np.minimum(response.magnitude / level, 1.0)
    if method == "xdog":
        intensity = np.tanh(2.0 * intensity) / np.tanh(2.0)
    lines: UInt8Array = np.rint(255 * intensity).astype(np.uint8)
    return lines


def _derivatives(image: NDArray[Any], method: EdgeMethod) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both derivatives in grey levels per pixel: kernels are normalised by the sum of their weights."""
    border = cv2.BORDER_REPLICATE
    if method == "scharr":
        dx = cv2.Scharr(image, cv2.CV_32F, 1, 0, scale=1 / 32, borderType=border)
        dy = cv2.Scharr(image, cv2.CV_32F, 0, 1, scale=1 / 32, borderType=border)
    else:
        dx = cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8, borderType=border)
        dy = cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8, borderType=border)
    return dx, dy


def _difference_of_gaussians(image: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Return dark lines by an extended difference of Gaussians (Winnemöller, Kyprianidis, Olsen 2012, §2)."""
    fine = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    coarse = cv2.GaussianBlur(image, (0, 0), 1.6 * sigma, borderType=cv2.BORDER_REPLICATE)
    lines: NDArray[Any] = np.maximum(coarse - fine, 0.0)
    return lines


def _otsu_threshold(magnitude: NDArray[Any]) -> float:
    """Return Otsu's threshold of the gradient on a square-root scale, which limits the influence of strong edges."""
    root = np.sqrt(magnitude)
    max_root = float(root.max())
    if max_root <= 0:
        return 0.0
    quantised = np.rint(root * (255 / max_root)).astype(np.uint8)
    threshold, _ = cv2.threshold(quantised, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return float((threshold * max_root / 255) ** 2)


class ThresholdSmoother:
    """Smooths levels over time to avoid flicker; resets at a cut.

    `smoothing` in [0, 1) is the weight of the past. A level that differs from the past by more than the factor
    `MAX_LEVEL_RATIO` for two consecutive frames resets the smoother; a single outlier, such as a flash, is clamped.
    """

    MAX_LEVEL_RATIO = 1.6

    def __init__(self, smoothing: float) -> None:
        self._smoothing = smoothing
        self._smoothed_level: float | None = None
        self._was_outlier = False

    def __call__(self, level: float, *, is_cut: bool = False) -> float:
        """Return the smoothed level for a frame with this level; `is_cut`: the frame starts a new shot."""
        if self._smoothed_level is None or self._smoothing <= 0 or is_cut:
            self._smoothed_level, self._was_outlier = level, False
            return level
        is_outlier = not (1 / self.MAX_LEVEL_RATIO < level / self._smoothed_level < self.MAX_LEVEL_RATIO)
        if is_outlier and self._was_outlier:
            self._smoothed_level, self._was_outlier = level, False
            return level
        self._was_outlier = is_outlier
        clamped_level = min(
            max(level, self._smoothed_level / self.MAX_LEVEL_RATIO), self._smoothed_level * self.MAX_LEVEL_RATIO
        )
        self._smoothed_level = self._smoothing * self._smoothed_level + (1 - self._smoothing) * clamped_level
        return self._smoothed_level
