"""Which part of the frames a model sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from vid2vid_cli.core.geometry import Box, View

Crop = Literal["focus", "whole", "random"]


def whole_picture(height: int, width: int, part: tuple[int, int], scale: tuple[float, float]) -> tuple[int, int]:
    """(height, width) of whole frames, drawn as large as those of which random parts (height, width) are cut.

    At scale 1 a part just fits into the frame; of a range of scales it is the middle. Even, as video wants it.
    """
    fits = min(height, width * part[0] / part[1])
    times = part[0] / fits * sum(scale) / 2
    return max(2, 2 * round(height * times / 2)), max(2, 2 * round(width * times / 2))


def frame_view(height: int, width: int, picture: tuple[int, int], crop: Crop, statistics: Mapping[str, Any]) -> View:
    """The view of frames (height, width) that gives a `picture` of (height, width); its pixels are square.

    `focus`: the smallest box of the picture's shape around the conditioner's focus box, shifted into the frame and
    shrunk only where the frame is too small for it; `whole`, and where there is no focus: the largest such box, in
    the middle; `random` too, of whose frames the whole is wanted. No part of the view lies outside the frame.
    """
    aspect = picture[1] / picture[0]
    tallest = min(float(height), width / aspect)
    x0, y0, x1, y1 = 0.0, 0.0, float(width), float(height)
    tall = tallest
    if crop == "focus" and statistics.get("focus"):
        x0, y0, x1, y1 = (float(value) for value in statistics["focus"])
        tall = min(tallest, max(y1 - y0, (x1 - x0) / aspect))
    wide = tall * aspect
    left = min(max((x0 + x1 - wide) / 2, 0.0), max(width - wide, 0.0))
    top = min(max((y0 + y1 - tall) / 2, 0.0), max(height - tall, 0.0))
    box: Box = (left, top, left + wide, top + tall)
    return View.of_box(box, *picture)
