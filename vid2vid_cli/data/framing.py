"""Which square of the frames a model sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from vid2vid_cli.core.geometry import Box, View

Crop = Literal["focus", "whole"]


def frame_view(height: int, width: int, size: int, crop: Crop, statistics: Mapping[str, Any]) -> View:
    """The view of frames (height, width) that gives a square picture of `size` pixels.

    `focus`: the smallest square around the conditioner's focus box, shifted into the frame; where there is no focus,
    and with `whole`, the centre square. No part of the view lies outside the frame.
    """
    longest = float(min(height, width))
    x0, y0, x1, y1 = 0.0, 0.0, float(width), float(height)
    if crop == "focus" and statistics.get("focus"):
        x0, y0, x1, y1 = (float(value) for value in statistics["focus"])
        longest = min(longest, max(x1 - x0, y1 - y0))
    left = min(max((x0 + x1 - longest) / 2, 0.0), width - longest)
    top = min(max((y0 + y1 - longest) / 2, 0.0), height - longest)
    box: Box = (left, top, left + longest, top + longest)
    return View.of_box(box, size, size)
