"""Edge detectors on one grey frame, and the levels they need, which are steadied over time.

Every detector is two steps: `respond` (filter the frame), then a level taken from the response (a threshold or a
white point), then `draw` (response and level -> uint8 lines). Levels are steadied between the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes

Method = Literal["canny", "scharr", "sobel", "log", "xdog"]
Threshold = Literal["otsu", "median"]

# Levels never fall below these: compression noise of a blank picture is no edge. In grey levels per pixel.
FLOOR = {"canny": 5.0, "scharr": 12.0, "sobel": 12.0, "log": 3.0, "xdog": 1.0}


@dataclass(frozen=True)
class Response:
    """A filtered frame: `strength` >= 0 in grey levels, and for Canny the two derivatives."""

    strength: NDArray[Any]
    dx: NDArray[Any] | None = None
    dy: NDArray[Any] | None = None


def respond(gray: Bytes, method: Method, sigma: float) -> Response:
    """Filter a grey frame (h, w); `sigma` is the Gaussian blur in pixels."""
    image: NDArray[Any] = gray.astype(np.float32)
    if method == "xdog":
        return Response(_difference(image, max(sigma, 0.5)))
    if sigma > 0:
        image = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    if method == "log":
        # Positive on the dark side of an edge: one line per edge, dark strokes filled.
        return Response(np.maximum(cv2.Laplacian(image, cv2.CV_32F, ksize=3, borderType=cv2.BORDER_REPLICATE), 0))
    dx, dy = _derivatives(image, method)
    return Response(cv2.magnitude(dx, dy), dx, dy)


def level(response: Response, method: Method, threshold: Threshold) -> float:
    """The threshold (canny) or white point (the others) that fits this frame alone."""
    strength = response.strength
    if method != "canny":
        return max(float(np.percentile(strength, 99)), FLOOR[method])
    if threshold == "median":
        # The median gradient is the texture's own; an edge stands out from it.
        return max(4.0 * float(np.median(strength)), FLOOR[method])
    return max(_otsu(strength), FLOOR[method])


def draw(response: Response, method: Method, high: float) -> Bytes:
    """Lines (h, w) uint8, 255 on an edge: thin and binary for canny, soft for the others."""
    if method == "canny":
        assert response.dx is not None
        assert response.dy is not None
        # cv2.Canny wants integers; sixteenths of a grey level keep weak edges apart.
        dx, dy = (np.rint(part * 16).astype(np.int16) for part in (response.dx, response.dy))
        return np.asarray(cv2.Canny(dx, dy, 16 * 0.4 * high, 16 * high, L2gradient=True), dtype=np.uint8)
    soft = np.minimum(response.strength / high, 1.0)
    if method == "xdog":
        soft = np.tanh(2.0 * soft) / np.tanh(2.0)
    lines: Bytes = np.rint(255 * soft).astype(np.uint8)
    return lines


def _derivatives(image: NDArray[Any], method: Method) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both derivatives in grey levels per pixel: each kernel divided by the sum of its weights."""
    border = cv2.BORDER_REPLICATE
    if method == "scharr":
        dx = cv2.Scharr(image, cv2.CV_32F, 1, 0, scale=1 / 32, borderType=border)
        dy = cv2.Scharr(image, cv2.CV_32F, 0, 1, scale=1 / 32, borderType=border)
    else:
        dx = cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8, borderType=border)
        dy = cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8, borderType=border)
    return dx, dy


def _difference(image: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Dark lines by an extended difference of Gaussians (Winnemöller, Kyprianidis, Olsen 2012, §2)."""
    fine = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    coarse = cv2.GaussianBlur(image, (0, 0), 1.6 * sigma, borderType=cv2.BORDER_REPLICATE)
    lines: NDArray[Any] = np.maximum(coarse - fine, 0.0)
    return lines


def _otsu(strength: NDArray[Any]) -> float:
    """Otsu's threshold of the gradient, on a square-root scale, which the long tail of strong edges does not bend."""
    root = np.sqrt(strength)
    top = float(root.max())
    if top <= 0:
        return 0.0
    coded = np.rint(root * (255 / top)).astype(np.uint8)
    threshold, _ = cv2.threshold(coded, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return float((threshold * top / 255) ** 2)


class Steady:
    """Levels that change slowly, so that lines do not flicker, but follow a cut at once.

    `steady` in [0, 1) is the share of the past in each new level. A level that leaves the range of `JUMP` around the
    past for two frames running is a new scene; a single outlier (a flash, a broken frame) is held back.
    """

    JUMP = 1.6

    def __init__(self, steady: float) -> None:
        self._steady = steady
        self._past: float | None = None
        self._odd = False

    def __call__(self, value: float, *, cut: bool = False) -> float:
        """The steadied level for this frame's own `value`; `cut` says that the picture is a new one."""
        if self._past is None or self._steady <= 0 or cut:
            self._past, self._odd = value, False
            return value
        odd = not (1 / self.JUMP < value / self._past < self.JUMP)
        if odd and self._odd:
            self._past, self._odd = value, False
            return value
        self._odd = odd
        bounded = min(max(value, self._past / self.JUMP), self._past * self.JUMP)
        self._past = self._steady * self._past + (1 - self._steady) * bounded
        return self._past
