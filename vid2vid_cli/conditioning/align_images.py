"""Alignment of images that belong to a video, such as label maps, with the frames that `annotate` receives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.video_context import VideoContext
from vid2vid_cli.core.errors import InputFileMismatchError
from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.images import view_image

ASPECT_TOLERANCE = 0.015
"""Largest relative difference of the aspect ratios of an image and its video: sizes are often rounded to blocks."""


def align_to_frames(
    image: NDArray[Any], name: str, shape: tuple[int, int], video_context: VideoContext | None, *, nearest: bool
) -> NDArray[Any]:
    """Scale and crop an image of the whole video frame to the view that `annotate` receives; keeps the dtype.

    `shape` is (height, width) of the result. `nearest` selects nearest-neighbour sampling, for label maps. `name`
    identifies the image in errors.

    Raises: InputFileMismatchError (the aspect ratio differs from the video's).
    """
    image_shape = image.shape[0], image.shape[1]
    view = view_to_frames(image_shape, name, shape, video_context)
    if image_shape == shape and np.allclose(view.array, [[1, 0, 0], [0, 1, 0]], atol=1e-9):
        return image
    return view_image(image, view, nearest=nearest)


def view_to_frames(
    image_shape: tuple[int, int], name: str, shape: tuple[int, int], video_context: VideoContext | None
) -> View:
    """The view from pixels of an image of the whole video frame to pixels of the frames that `annotate` receives.

    Arguments and errors as in `align_to_frames`; `image_shape` is (height, width) of the image.
    """
    height, width = shape if video_context is None else (video_context.height, video_context.width)
    image_height, image_width = image_shape
    rounding_tolerance = 1 / min(height, width, image_height, image_width)
    if abs(image_width * height / (image_height * width) - 1) > ASPECT_TOLERANCE + rounding_tolerance:
        raise InputFileMismatchError(
            f"{name} is {image_width} x {image_height}, but the video is {width} x {height}: the aspect ratios differ.",
            "Use images of the whole frame; their size may differ from the video's by a scale factor.",
        )
    scale_view = View.from_box((0, 0, image_width, image_height), height, width)
    return scale_view if video_context is None else View(scale_view.compose(video_context.view.array).matrix, *shape)
