"""DensePose's answers as IUV pictures: several people, the nearer in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes
from vid2vid_densepose.parts import COUNT

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Body:
    """A person on a frame."""

    box: Box
    """x0, y0, x1, y1 in pixels of the frame."""
    score: float
    parts: NDArray[Any]
    """(h, w) integers, 0 to 24: the pixels of the box, whose upper left corner is rounded towards 0."""
    uv: NDArray[Any]
    """(2, h, w) floats, 0 to 1."""


class Finder(Protocol):
    """A way of finding people."""

    def __call__(self, frame: Bytes) -> list[Body]:
        """Everybody on a frame (h, w, 3) uint8 RGB."""


def drawn(bodies: Sequence[Body], height: int, width: int) -> Bytes:
    """The IUV picture (height, width, 3) of people.

    Who fills the larger box is taken to be nearer, and covers the others.
    """
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    for body in sorted(bodies, key=lambda one: _area(one.box)):
        left, top = int(body.box[0]), int(body.box[1])
        rows = slice(max(top, 0), max(min(top + body.parts.shape[0], height), 0))
        columns = slice(max(left, 0), max(min(left + body.parts.shape[1], width), 0))
        own = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        part = np.asarray(body.parts)[own]
        shown = (part > 0) & (part <= COUNT)
        uv = np.nan_to_num(np.asarray(body.uv, dtype=np.float32)[:, own[0], own[1]]).clip(0, 1)
        there = canvas[rows, columns]
        there[shown, 0] = part[shown]
        there[shown, 1:] = np.rint(255 * uv[:, shown].T)
    return canvas


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
