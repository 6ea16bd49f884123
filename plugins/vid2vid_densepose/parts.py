"""The 24 parts of DensePose, and pictures of them.

An IUV picture is (h, w, 3) uint8: I, the part from 1 to 24 or 0 for none; U and V, the place on the part, 0 to 255.
Parts: 1, 2 torso; 3, 4 hands; 5, 6 feet; 7 to 10 upper legs; 11 to 14 lower legs; 15 to 18 upper arms; 19 to 22 lower
arms; 23, 24 head.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from vid2vid_cli.conditioning import Bytes, Floats

COUNT = 24
TORSO, HANDS, HEAD = (1, 2), (3, 4), (23, 24)
FACE = HEAD
SPAN: Floats = (np.outer([2 / COUNT, 2 / 255, 2 / 255], np.arange(256)) - 1).clip(-1, 1).astype(np.float32)
"""(3, 256): what each value of I, U and V is in a condition."""


def without(iuv: Bytes, parts: Iterable[int]) -> Bytes:
    """An IUV picture (h, w, 3) in which some parts are not there."""
    kept = np.ones(256, dtype=np.bool_)
    kept[list(parts)] = False
    result: Bytes = iuv * kept[iuv[:, :, 0]][:, :, None]
    return result


def mirrored(iuv: Bytes) -> Bytes:
    """The IUV picture (h, w, 3) of the mirrored frame: left and right parts change places.

    Charts of a pair are each other's mirror images, and U and V stay. Torso and head lie across the middle: on the
    torso V runs from side to side and is turned round, on the head U, whose halves also change places. So it is, but
    for a few levels, on real frames; DensePose's own tables of these symmetries are not at hand.
    """
    part, u, v = cv2.split(np.ascontiguousarray(iuv[:, ::-1]))
    other = np.arange(256, dtype=np.uint8)
    other[3 : COUNT + 1] = (other[3 : COUNT + 1] - 1 ^ 1) + 1
    v = np.where(np.isin(part, TORSO), 255 - v, v)
    u = np.where(np.isin(part, HEAD), 255 - u, u)
    return np.stack([other[part], u, v], axis=-1)


def boxes_of(iuv: Bytes, parts: Sequence[int]) -> Floats:
    """The box (1, 4), x0, y0, x1, y1 in pixels, of the largest piece of some parts; NaN where there is none."""
    there = np.isin(iuv[:, :, 0], parts).astype(np.uint8)
    _, _, pieces, _ = cv2.connectedComponentsWithStats(there, connectivity=8)
    if len(pieces) < 2:  # the first is the ground
        return np.full((1, 4), np.nan, dtype=np.float32)
    x, y, width, height, _ = max(pieces[1:].tolist(), key=lambda piece: piece[cv2.CC_STAT_AREA])
    return np.array([[x, y, x + width, y + height]], dtype=np.float32)


def channels_of(iuv: Bytes) -> Floats:
    """(3, h, w) float32: I with 0 to 24 spread over [-1, 1], as vid2vid does; U and V with 0 to 255."""
    return np.stack([SPAN[row][iuv[:, :, row]] for row in range(3)])


def coloured(iuv: Bytes) -> Bytes:
    """(h, w, 3) RGB for people: a hue for each part, lighter towards its far corner; black around the body."""
    hues = np.zeros((1, COUNT + 1, 3), dtype=np.uint8)
    hues[0, 1:, 0] = np.arange(COUNT) * 180 // COUNT
    hues[0, 1:, 1:] = (190, 255)
    table = cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)[0].astype(np.float32)
    _, u, v = cv2.split(iuv)
    light = 0.45 + 0.55 / 510 * cv2.add(u, v, dtype=cv2.CV_32F)
    shaded: Bytes = (table[np.minimum(iuv[:, :, 0], COUNT)] * light[:, :, None]).astype(np.uint8)
    return shaded
