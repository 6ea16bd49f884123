"""How a stored picture becomes the displayed one: pixel aspect ratio, display matrix, and changes of size."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

Picture = NDArray[Any]  # (h, w) or (h, w, channels)

# Relative difference below which two aspect ratios count as equal: sizes are often rounded to blocks.
ASPECT_TOLERANCE = 0.015

# Degrees by which the angle of a display matrix may deviate from a quarter turn.
ANGLE_TOLERANCE = 1.0

SIZE_CHANGE_MESSAGE = (
    "The pictures differ in size; all are scaled to the size of the first, and cropped at the centre where their "
    "proportions differ."
)


def pixel_aspect_ratio(stream: VideoStream) -> Fraction:
    """Width / height of a stored pixel; 1 if unknown or outside (0.1, 10)."""
    aspect_ratio = stream.sample_aspect_ratio or Fraction(1)
    return aspect_ratio if Fraction(1, 10) < aspect_ratio < 10 else Fraction(1)


def display_orientation(frame: VideoFrame) -> tuple[float, bool]:
    """(angle, is_mirrored) of the frame's display matrix; (0, False) without one.

    The displayed picture is the stored one, flipped left to right if `is_mirrored`, then rotated counter-clockwise by
    `angle` degrees, 0 to 360. The matrix maps the stored point (x, y) to (a x + c y, b x + d y); it mirrors if its
    determinant is negative.
    """
    matrix_data = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix_data, SideData):
        return 0.0, False
    a, b, _, c, d = np.frombuffer(bytes(matrix_data), dtype=np.int32)[:5].tolist()
    is_mirrored = a * d - b * c < 0
    if is_mirrored:
        a, b = -a, -b
    return math.degrees(-math.atan2(b, a)) % 360, is_mirrored


def nearest_quarter_turn(angle: float) -> int:
    """0, 90, 180 or 270 degrees."""
    return round(angle / 90) * 90 % 360


def is_quarter_turn(angle: float) -> bool:
    """Whether an angle in degrees is a multiple of 90 within the tolerance."""
    return abs((angle + 45) % 90 - 45) <= ANGLE_TOLERANCE


def upright_size(frame: VideoFrame, aspect_ratio: Fraction, rotation: int) -> tuple[int, int]:
    """(height, width) of a decoded frame with the given pixel aspect ratio in square pixels, after rotation."""
    width = max(1, round(frame.width * aspect_ratio))
    return (width, frame.height) if rotation % 180 else (frame.height, width)


def make_upright(picture: Picture, rotation: int, is_mirrored: bool) -> Picture:
    """A contiguous copy of a stored picture as it is displayed; see `display_orientation`."""
    return np.ascontiguousarray(np.rot90(picture[:, ::-1] if is_mirrored else picture, rotation // 90))


def crop_to_aspect(picture: Picture, aspect_ratio: Fraction) -> Picture:
    """The largest centred part of a picture with the given width / height, in pixels of the picture; a view."""
    height, width = picture.shape[:2]
    cropped_height = max(1, min(height, round(width / aspect_ratio)))
    cropped_width = max(1, min(width, round(height * aspect_ratio)))
    top, left = (height - cropped_height) // 2, (width - cropped_width) // 2
    return picture[top : top + cropped_height, left : left + cropped_width]


def has_same_aspect(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two sizes (height, width) have the same proportions within the tolerance."""
    return abs(first[1] * second[0] / (first[0] * second[1]) - 1) <= ASPECT_TOLERANCE
