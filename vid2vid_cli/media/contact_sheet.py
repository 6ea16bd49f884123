"""Pictures of pictures: contact sheets to look at, and frames side by side for compare.mp4."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.media.images import resize_to

Bytes = NDArray[np.uint8]

GAP = 4
BACKGROUND = 24
BAR = 40
INK = (235, 235, 235)
BAR_HEIGHT = 24
FONT = cv2.FONT_HERSHEY_SIMPLEX
MARGIN = 6


def contact_sheet(
    rows: Sequence[Sequence[NDArray[Any]]],
    *,
    labels: Sequence[str] = (),
    titles: Sequence[str] = (),
    height: int = 160,
    widest: int = 2000,
) -> Bytes:
    """Rows of pictures under a caption each: uint8 (h, w, 3) RGB.

    `rows`: uint8 (h, w), (h, w, 1) or (h, w, 3) RGB pictures of any sizes, all fitted into cells of one size with
    their shape kept. `labels`: one caption per row. `titles`: one caption per column, above the first row.
    `height` of a cell in pixels; smaller where the sheet would become wider than `widest`.
    """
    columns = max([len(row) for row in rows] + [len(titles)], default=0)
    if columns == 0:
        raise ValueError("a contact sheet needs at least one picture")
    aspect = max(picture.shape[1] / picture.shape[0] for row in rows for picture in row)
    height = max(16, min(height, int((widest / columns - GAP) / aspect)))
    width = max(16, round(height * aspect))
    whole = columns * (width + GAP) + GAP
    parts: list[Bytes] = []
    if titles:
        parts.append(_strip([_bar(title, width) for title in titles], whole))
    for index, row in enumerate(rows):
        if index < len(labels) and labels[index]:
            parts.append(_bar(labels[index], whole))
        parts.append(_strip([_fitted(picture, height, width) for picture in row], whole))
    return np.concatenate(parts, axis=0)


def side_by_side(pictures: Sequence[NDArray[Any]], labels: Sequence[str], height: int) -> Bytes:
    """Pictures at one height next to each other under their captions: uint8 (height + bar, w, 3) RGB, even sizes.

    The same sizes and number of pictures give the same size of the result, so that frames fit one video.
    """
    if not pictures:
        raise ValueError("nothing to put side by side")
    height += height % 2
    bar = BAR_HEIGHT if any(labels) else 0
    shown = [_rgb(picture) for picture in pictures]
    widths = [max(2, round(picture.shape[1] * height / picture.shape[0])) for picture in shown]
    whole = sum(widths) + GAP * (len(widths) - 1)
    joined = np.full((bar + height, whole + whole % 2, 3), BACKGROUND, np.uint8)
    left = 0
    for index, (picture, width) in enumerate(zip(shown, widths, strict=True)):
        if bar:
            joined[:bar, left : left + width] = _bar(labels[index] if index < len(labels) else "", width)
        joined[bar:, left : left + width] = resize_to(picture, height, width)
        left += width + GAP
    return joined


def _rgb(picture: NDArray[Any]) -> Bytes:
    if picture.dtype != np.uint8:
        raise ValueError(f"pictures are uint8, not {picture.dtype}")
    if picture.ndim == 2:
        picture = picture[:, :, None]
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture[:, :, :3]


def _fitted(picture: NDArray[Any], height: int, width: int) -> Bytes:
    """The picture as large as it fits, in the middle of a dark cell."""
    shown = _rgb(picture)
    scale = min(height / shown.shape[0], width / shown.shape[1])
    inner = max(1, round(shown.shape[0] * scale)), max(1, round(shown.shape[1] * scale))
    cell = np.full((height, width, 3), BACKGROUND, np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    cell[top : top + inner[0], left : left + inner[1]] = resize_to(shown, *inner)
    return cell


def _strip(cells: Sequence[Bytes], width: int) -> Bytes:
    """Cells from left to right with gaps around them, filled up to `width`."""
    tall = max((cell.shape[0] for cell in cells), default=0)
    strip = np.full((tall + GAP, width, 3), BACKGROUND, np.uint8)
    left = GAP
    for cell in cells:
        strip[: cell.shape[0], left : left + cell.shape[1]] = cell
        left += cell.shape[1] + GAP
    return strip


@lru_cache(maxsize=64)  # the frames of a video have the same
def _bar(label: str, width: int) -> Bytes:
    """A dark bar with a caption, smaller where it is long, cut off where it would be too small to read."""
    bar = np.full((BAR_HEIGHT, width, 3), BAR, np.uint8)
    text = label.encode("ascii", "replace").decode()  # the only letters that OpenCV draws
    scale = 0.5
    room = max(1, width - 2 * MARGIN)
    while cv2.getTextSize(text, FONT, scale, 1)[0][0] > room and scale > 0.38:
        scale -= 0.04
    while len(text) > 1 and cv2.getTextSize(text, FONT, scale, 1)[0][0] > room:
        text = text.rstrip(".")[:-1] + ".."
        if text == "..":
            break
    drawn = cv2.putText(bar, text, (MARGIN, BAR_HEIGHT - 7), FONT, scale, INK, 1, cv2.LINE_AA)
    return np.asarray(drawn, dtype=np.uint8)
