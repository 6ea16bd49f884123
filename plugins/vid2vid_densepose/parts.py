"""The 24 parts of DensePose, and pictures of them.

An IUV picture is (h, w, 3) uint8: I, the part from 1 to 24 or 0 for none; U and V, the place on the part, 0 to 255.
Parts: 1, 2 torso; 3, 4 hands; 5, 6 feet; 7 to 10 upper legs; 11 to 14 lower legs; 15 to 18 upper arms; 19 to 22 lower
arms; 23, 24 head.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from vid2vid_cli.conditioning import Bytes, Floats

COUNT = 24
FACE = (23, 24)
SPAN: Floats = (np.outer([2 / COUNT, 2 / 255, 2 / 255], np.arange(256)) - 1).clip(-1, 1).astype(np.float32)
"""(3, 256): what each value of I, U and V is in a condition."""


def without(iuv: Bytes, parts: Iterable[int]) -> Bytes:
    """An IUV picture (h, w, 3) in which some parts are not there."""
    kept = np.ones(256, dtype=np.bool_)
    kept[list(parts)] = False
    result: Bytes = iuv * kept[iuv[:, :, 0]][:, :, None]
    return result


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
