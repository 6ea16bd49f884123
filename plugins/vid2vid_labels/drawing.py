"""Label maps and instance maps as pictures of any size: placed on the frames, one channel per class, outlines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, FilesMismatchError, Floats, Footage, View, view_image

SLACK = 0.015
"""Part by which the shapes of a label picture and its video may differ: sizes are rounded, often to whole blocks."""


def placed(
    picture: NDArray[Any], name: str, shape: tuple[int, int], footage: Footage | None, *, nearest: bool
) -> NDArray[Any]:
    """A picture of the whole video frame as the stored frame of `shape` (height, width) shows it.

    It is scaled to the video's own size, whatever its own is. Raises: FilesMismatchError (another shape).
    """
    height, width = shape if footage is None else (footage.height, footage.width)
    own_height, own_width = picture.shape[:2]
    rounding = 1 / min(height, width, own_height, own_width)
    if abs(own_width * height / (own_height * width) - 1) > SLACK + rounding:
        raise FilesMismatchError(
            f"{name} is {own_width} x {own_height}, and the video {width} x {height}: that is another shape.",
            "Label pictures may have another scale than the video, but show all of it and nothing more.",
        )
    scaled = View.of_box((0, 0, own_width, own_height), height, width)
    view = scaled if footage is None else View(scaled.then(footage.view.array).matrix, *shape)
    if (own_height, own_width) == shape and np.allclose(view.array, [[1, 0, 0], [0, 1, 0]], atol=1e-9):
        return picture
    return view_image(picture, view, nearest=nearest)


def one_hot(channel: NDArray[Any], count: int) -> Floats:
    """(count, h, w) float32: 1 in the channel that `channel` (h, w) names, -1 elsewhere; `count` names none."""
    hot = np.full((count + 1, *channel.shape), -1, dtype=np.float32)
    np.put_along_axis(hot, channel[None].astype(np.intp), 1.0, axis=0)
    return hot[:count]


def outlines(ids: NDArray[Any]) -> NDArray[np.bool_]:
    """(h, w): whether a pixel's id differs from that above, below, left or right of it.

    As in pix2pixHD (Wang et al. 2018, §3.3); both sides of a border belong to it.
    """
    edge = np.zeros(ids.shape, dtype=np.bool_)
    across, down = ids[:, 1:] != ids[:, :-1], ids[1:] != ids[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def coloured(channel: NDArray[Any], colours: Bytes) -> Bytes:
    """(h, w, 3): each pixel in the colour of its channel."""
    picture: Bytes = colours[channel]
    return picture
