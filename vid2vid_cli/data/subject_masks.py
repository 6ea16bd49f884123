"""Masks of the subject: which part of a frame moves with the points of its conditioner."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from vid2vid_cli.conditioning import Conditioner, SubjectImage, View
from vid2vid_cli.conditioning.annotation_json import array_from_json
from vid2vid_cli.core.geometry import FloatArray, UInt8Array

MAX_SIDE = 180
"""Longer side of a stored mask: the masks of many reference frames must fit into the header of a checkpoint."""
MAX_BYTES = 1 << 27
"""Limit of all masks of a checkpoint: MAX_SIDE x MAX_SIDE pixels of the 4096 frames that it has at most."""


def subject_conditioner(conditioners: Sequence[Conditioner]) -> int | None:
    """The index of the first conditioner whose subject is a body with bones; None if there is none."""
    return next((i for i, c in enumerate(conditioners) if c.subject == "person" and c.bones()), None)


def mask_size(output_view: View) -> tuple[int, int]:
    """(height, width) of the masks for generated frames with this view."""
    scale = min(1.0, MAX_SIDE / max(output_view.height, output_view.width))
    return max(1, round(scale * output_view.height)), max(1, round(scale * output_view.width))


def find_subject_masks(
    conditioner: Conditioner, images: Iterable[SubjectImage], output_view: View
) -> Iterator[UInt8Array]:
    """Yield the mask of the subject of each image, 0 to 255, of `mask_size`. Raises the errors of the plugin."""
    height, width = mask_size(output_view)
    for mask in conditioner.subject_masks(images):
        yield np.rint(255 * cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)).astype(np.uint8)


def masks_from_json(data: Mapping[str, Any], num_frames: int, output_view: View) -> UInt8Array:
    """Masks (num_frames, a, b) from the data of `array_to_json`. Raises ValueError for other data."""
    try:
        masks = array_from_json(data, MAX_BYTES)
    except (TypeError, KeyError, AttributeError, OverflowError, zlib.error) as error:
        raise ValueError(f"the masks are not an array ({type(error).__name__}: {error})") from None
    shape = (num_frames, *mask_size(output_view))
    if masks.dtype != np.uint8 or masks.shape != shape:
        raise ValueError(f"the masks are {masks.dtype} {masks.shape}, not uint8 {shape}")
    return masks


def as_share(mask: UInt8Array) -> FloatArray:
    """A stored mask as float32 from 0 to 1."""
    return mask.astype(np.float32) / np.float32(255)


def grow_mask(mask: FloatArray, radius: int) -> FloatArray:
    """The mask (h, w) with an outline that is moved outwards by `radius` pixels, with a soft edge of the same width."""
    side = 2 * radius + 1
    grown = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * side - 1, 2 * side - 1)))
    return np.asarray(cv2.blur(grown, (side, side)), np.float32)


def enlarge_mask(mask: FloatArray, height: int, width: int, *, margin: int) -> FloatArray:
    """A mask (a, b) at another size, with an outline that is moved outwards by `margin` of its pixels."""
    enlarged = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    return grow_mask(np.asarray(enlarged, np.float32), margin)


def sample_mask(mask: UInt8Array, positions: FloatArray, view: View) -> FloatArray:
    """A mask (a, b) at positions (..., 2) in pixels of an image with this view, from 0 to 1; 0 outside it."""
    height, width = mask.shape
    scale = np.array([width / view.width, height / view.height])
    columns, rows = np.moveaxis((positions + 0.5) * scale - 0.5, -1, 0).astype(np.float32)
    return np.asarray(cv2.remap(as_share(mask), columns, rows, cv2.INTER_LINEAR), np.float32)
