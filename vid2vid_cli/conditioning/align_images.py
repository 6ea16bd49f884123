"""Pictures made beside a video, brought to the frames that `annotate` is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.video_context import Footage
from vid2vid_cli.core.errors import FilesMismatchError
from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.images import view_image

SLACK = 0.015
"""Part by which the shapes of a picture and its video may differ: sizes are rounded, often to whole blocks."""


def check_count(count: int, footage: Footage | None, path: Path, option: str, number: int = 0) -> None:
    """Raise FilesMismatchError unless there are `count` pictures for as many frames, and one of that number.

    `path` is where they lie and `option` what named it, such as labels.dir.
    """
    frames = None if footage is None else footage.frames
    one_each = "There must be one for each frame, in the order of their names, and nothing else in the folder."
    many = "1 picture" if count == 1 else f"{count} pictures"
    if footage is not None and frames is not None and frames != count:
        raise FilesMismatchError(f"{path} ({option}) holds {many}, and {footage.path} has {frames} frames.", one_each)
    if number >= count:
        raise FilesMismatchError(f"{path} ({option}) ends after {many}, and the video goes on.", one_each)


def placed(
    picture: NDArray[Any], name: str, shape: tuple[int, int], footage: Footage | None, *, nearest: bool
) -> NDArray[Any]:
    """A picture of whole frames of the video as a frame of `shape` (height, width) shows it; of the same dtype.

    It is scaled to the video's own size, whatever its own is. `nearest` takes values over unchanged, for label maps.
    `name` is said where it does not fit. Raises: FilesMismatchError (another shape than the video).
    """
    height, width = shape if footage is None else (footage.height, footage.width)
    own_height, own_width = picture.shape[:2]
    rounding = 1 / min(height, width, own_height, own_width)
    if abs(own_width * height / (own_height * width) - 1) > SLACK + rounding:
        raise FilesMismatchError(
            f"{name} is {own_width} x {own_height}, and the video {width} x {height}: that is another shape.",
            "It may have another scale than the video, but must show all of it and nothing more.",
        )
    scaled = View.of_box((0, 0, own_width, own_height), height, width)
    view = scaled if footage is None else View(scaled.then(footage.view.array).matrix, *shape)
    if (own_height, own_width) == shape and np.allclose(view.array, [[1, 0, 0], [0, 1, 0]], atol=1e-9):
        return picture
    return view_image(picture, view, nearest=nearest)
