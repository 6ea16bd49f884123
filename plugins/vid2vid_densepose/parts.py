"""The 24 body parts of DensePose, and operations on IUV images.

An IUV image is (h, w, 3) uint8: I, the part from 1 to 24 or 0 for none; U and V, the position on the part, 0 to 255.
Parts: 1, 2 torso; 3, 4 hands; 5, 6 feet; 7 to 10 upper legs; 11 to 14 lower legs; 15 to 18 upper arms; 19 to 22 lower
arms; 23, 24 head.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from vid2vid_cli.conditioning import FloatArray, UInt8Array

NUM_PARTS = 24
TORSO_PARTS, HAND_PARTS, HEAD_PARTS = (1, 2), (3, 4), (23, 24)
FACE_PARTS = HEAD_PARTS
CONDITION_TABLE: FloatArray = (
    (np.outer([2 / NUM_PARTS, 2 / 255, 2 / 255], np.arange(256)) - 1).clip(-1, 1).astype(np.float32)
)
"""(3, 256): the condition value for each value of I, U and V."""


def remove_parts(iuv: UInt8Array, parts: Iterable[int]) -> UInt8Array:
    """Return the IUV image (h, w, 3) without some parts."""
    keep_table = np.ones(256, dtype=np.bool_)
    keep_table[list(parts)] = False
    result: UInt8Array = iuv * keep_table[iuv[:, :, 0]][:, :, None]
    return result


def hflip_iuv(iuv: UInt8Array) -> UInt8Array:
    """Return the IUV image (h, w, 3) of the horizontally flipped frame, with left and right parts exchanged.

    The charts of a pair are mirror images of each other, so that U and V are unchanged. On the torso, V runs from side
    to side and is inverted; on the head, U is inverted and the halves are exchanged. On real frames, this agrees with
    DensePose within a few levels; DensePose's own symmetry tables are not used.
    """
    part_map, u, v = cv2.split(np.ascontiguousarray(iuv[:, ::-1]))
    flipped_part = np.arange(256, dtype=np.uint8)
    flipped_part[3 : NUM_PARTS + 1] = (flipped_part[3 : NUM_PARTS + 1] - 1 ^ 1) + 1
    v = np.where(np.isin(part_map, TORSO_PARTS), 255 - v, v)
    u = np.where(np.isin(part_map, HEAD_PARTS), 255 - u, u)
    return np.stack([flipped_part[part_map], u, v], axis=-1)


def largest_component_box(iuv: UInt8Array, parts: Sequence[int]) -> FloatArray:
    """Return the box (1, 4), (x0, y0, x1, y1) in pixels, of the largest component of some parts; NaN if none."""
    part_mask = np.isin(iuv[:, :, 0], parts).astype(np.uint8)
    _, _, component_stats, _ = cv2.connectedComponentsWithStats(part_mask, connectivity=8)
    if len(component_stats) < 2:  # the first component is the background
        return np.full((1, 4), np.nan, dtype=np.float32)
    x, y, width, height, _ = max(component_stats[1:].tolist(), key=lambda component: component[cv2.CC_STAT_AREA])
    return np.array([[x, y, x + width, y + height]], dtype=np.float32)


def condition_channels(iuv: UInt8Array) -> FloatArray:
    """Return (3, h, w) float32 in [-1, 1]: I scaled from 0..24 as in vid2vid, U and V from 0..255."""
    return np.stack([CONDITION_TABLE[row][iuv[:, :, row]] for row in range(3)])


def colourise(iuv: UInt8Array) -> UInt8Array:
    """Return an RGB visualisation (h, w, 3): one hue per part, brighter with U and V, on black."""
    hues = np.zeros((1, NUM_PARTS + 1, 3), dtype=np.uint8)
    hues[0, 1:, 0] = np.arange(NUM_PARTS) * 180 // NUM_PARTS
    hues[0, 1:, 1:] = (190, 255)
    colour_table = cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)[0].astype(np.float32)
    _, u, v = cv2.split(iuv)
    brightness = 0.45 + 0.55 / 510 * cv2.add(u, v, dtype=cv2.CV_32F)
    shaded: UInt8Array = (colour_table[np.minimum(iuv[:, :, 0], NUM_PARTS)] * brightness[:, :, None]).astype(np.uint8)
    return shaded
