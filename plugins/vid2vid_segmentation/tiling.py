"""Windows of a network's own input size over a frame of any shape.

A network with a small fixed input sees little of a wide frame that is squeezed into it. Measured with DeepLabv3 at
257 x 257 on 10 Cityscapes frames, 1024 x 512 (intersection over union of cars): whole frame squeezed 0.00, windows as
high as the frame 0.48, half as high 0.65.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

OVERLAP = 0.2  # share of a window
SQUEEZE = 1.2  # how much narrower than it is a picture may be shown
MOST = 16  # windows along one side, whatever the shape


@dataclass(frozen=True)
class Canvas:
    """The size to which a frame is brought, and where the windows begin on it."""

    height: int
    width: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]


def canvas(frame: tuple[int, int], window: tuple[int, int], tiles: int) -> Canvas:
    """Windows of the size `window` (h, w) over a frame (h, w), `tiles` of them along its shorter side, 0: just one."""
    if tiles == 0:
        return Canvas(*window, (0,), (0,))
    # At this many canvas pixels per frame pixel, `tiles` overlapping windows span the side that needs fewest.
    scale = max(inside / whole for inside, whole in zip(window, frame, strict=True)) * _span(tiles)
    height, tops = _side(frame[0] * scale, window[0])
    width, lefts = _side(frame[1] * scale, window[1])
    return Canvas(height, width, tops, lefts)


def _span(count: int) -> float:
    """How many windows long `count` overlapping ones are."""
    return count - (count - 1) * OVERLAP


def _side(wanted: float, window: int) -> tuple[int, tuple[int, ...]]:
    """The length of one side of the canvas, near `wanted`, and where its windows begin."""
    count = ceil((wanted / window / SQUEEZE - OVERLAP) / (1 - OVERLAP) - 1e-6)
    count = min(max(count, 1), MOST)
    length = max(window, round(min(wanted, window * _span(count)))) if count > 1 else window
    free = length - window
    return length, tuple(round(free * index / max(count - 1, 1)) for index in range(count))
