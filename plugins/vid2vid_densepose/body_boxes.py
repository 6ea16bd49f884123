"""Composition of detected people into an IUV image; larger boxes are in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import UInt8Array
from vid2vid_densepose.parts import NUM_PARTS

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class DetectedPerson:
    """A person on a frame."""

    box: Box
    """(x0, y0, x1, y1) in pixels of the frame."""
    score: float
    part_map: NDArray[Any]
    """(h, w) integers, 0 to 24: body parts in the box; its upper left corner is rounded towards 0."""
    uv: NDArray[Any]
    """(2, h, w) floats in [0, 1]."""


class PersonDetector(Protocol):
    """Detects people on a frame."""

    def __call__(self, frame: UInt8Array) -> list[DetectedPerson]:
        """Return all people on a frame (h, w, 3) uint8 RGB."""


def draw_iuv(people: Sequence[DetectedPerson], height: int, width: int) -> UInt8Array:
    """Return the IUV image (height, width, 3) of the people.

    A person with a larger box is assumed to be nearer and covers the others.
    """
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    for person in sorted(people, key=lambda candidate: _box_area(candidate.box)):
        left, top = int(person.box[0]), int(person.box[1])
        rows = slice(max(top, 0), max(min(top + person.part_map.shape[0], height), 0))
        columns = slice(max(left, 0), max(min(left + person.part_map.shape[1], width), 0))
        source_slices = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        part_map = np.asarray(person.part_map)[source_slices]
        part_mask = (part_map > 0) & (part_map <= NUM_PARTS)
        uv = np.nan_to_num(np.asarray(person.uv, dtype=np.float32)[:, source_slices[0], source_slices[1]]).clip(0, 1)
        target = canvas[rows, columns]
        target[part_mask, 0] = part_map[part_mask]
        target[part_mask, 1:] = np.rint(255 * uv[:, part_mask].T)
    return canvas


def _box_area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
