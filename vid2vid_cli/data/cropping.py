"""The crop of the frames that a model is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from vid2vid_cli.core.geometry import Box, View

CropMode = Literal["subject", "center", "random"]
WHOLE_SHARE = 0.985
"""Share of a side from which the crop counts as whole: image sizes are rounded to even numbers."""


def full_frame_size(
    height: int, width: int, crop_size: tuple[int, int], resize_range: tuple[float, float]
) -> tuple[int, int]:
    """(height, width) of full frames at the mean scale of the random crops of `crop_size` (height, width).

    At scale 1 a crop just fits into the frame. Both sides are rounded to even numbers, as video codecs require.
    """
    fitting_height = min(height, width * crop_size[0] / crop_size[1])
    scale_factor = crop_size[0] / fitting_height * sum(resize_range) / 2
    return max(2, 2 * round(height * scale_factor / 2)), max(2, 2 * round(width * scale_factor / 2))


def crop_view(
    height: int, width: int, output_size: tuple[int, int], crop: CropMode, statistics: Mapping[str, Any]
) -> View:
    """The view that maps frames of (height, width) to images of `output_size` (height, width), with square pixels.

    `subject`: the smallest box of the output's aspect ratio around `subject_box` of the statistics, shifted into the
    frame, and reduced if the frame is too small. `center`, `random`, and `subject` without that box: the largest box
    that fits, centred. The view does not extend beyond the frame.
    """
    aspect_ratio = output_size[1] / output_size[0]
    max_crop_height = min(float(height), width / aspect_ratio)
    x0, y0, x1, y1 = 0.0, 0.0, float(width), float(height)
    crop_height = max_crop_height
    if crop == "subject" and statistics.get("subject_box"):
        x0, y0, x1, y1 = (float(value) for value in statistics["subject_box"])
        crop_height = min(max_crop_height, max(y1 - y0, (x1 - x0) / aspect_ratio))
    crop_width = crop_height * aspect_ratio
    left = min(max((x0 + x1 - crop_width) / 2, 0.0), max(width - crop_width, 0.0))
    top = min(max((y0 + y1 - crop_height) / 2, 0.0), max(height - crop_height, 0.0))
    box: Box = (left, top, left + crop_width, top + crop_height)
    return View.from_box(box, *output_size)


def describe_view(view: View, height: int, width: int) -> str:
    """The size of the images and what they show of frames of (height, width), for a view that is not rotated.

    `222x296 of 512x480: 70% of the frame's width, all of its height`.
    """
    sizes = f"{view.width}x{view.height} of {width}x{height}"
    shares = {
        "width": view.width / (view.matrix[0][0] * width),
        "height": view.height / (view.matrix[1][1] * height),
    }
    if min(shares.values()) >= WHOLE_SHARE:
        return f"{sizes}: the whole frame"
    width_text, height_text = ("all" if share >= WHOLE_SHARE else f"{share:.0%}" for share in shares.values())
    return f"{sizes}: {width_text} of the frame's width, {height_text} of its height"
