"""Positions in frames, independent of their resolution, as complex numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import FloatArray

Positions = NDArray[np.complex128]
"""x + iy in heights of the reference frames, from their centre."""


def to_scene(pixels: NDArray[Any], height: int, width: int) -> Positions:
    """Pixels (..., 2) of an image -> positions (...)."""
    return (as_complex(pixels) - (width - 1) / 2 - 0.5j * (height - 1)) / height


def to_pixels(positions: Positions, height: int, width: int) -> FloatArray:
    """The inverse of `to_scene`."""
    x, y = positions.real * height + (width - 1) / 2, positions.imag * height + (height - 1) / 2
    return np.stack([x, y], axis=-1).astype(np.float32)


def to_sampling(pixels: FloatArray, height: int, width: int) -> FloatArray:
    """Pixels (gh, gw, 2) of an image -> (2, gh, gw), -1 to 1 from its first to its last pixel, at most 2."""
    scaled = pixels * (2 / np.maximum(np.array([width, height], np.float32) - 1, 1)) - 1
    positions: FloatArray = np.clip(scaled, -2, 2).transpose(2, 0, 1).astype(np.float32)
    return positions


def as_complex(pairs: NDArray[Any]) -> Positions:
    """(..., 2) -> (...) x + iy."""
    result: Positions = pairs[..., 0].astype(np.float64) + 1j * pairs[..., 1].astype(np.float64)
    return result
