"""Contact sheets of images with captions, and frames side by side for comparison videos."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.images import resize_image

GAP_PX = 4
BACKGROUND_GREY = 24
BAR_GREY = 40
TEXT_COLOUR = (235, 235, 235)
BAR_HEIGHT_PX = 24
FONT = cv2.FONT_HERSHEY_SIMPLEX
TEXT_MARGIN_PX = 6


def contact_sheet(
    rows: Sequence[Sequence[NDArray[Any]]],
    *,
    labels: Sequence[str] = (),
    titles: Sequence[str] = (),
    height: int = 160,
    max_width: int = 2000,
) -> ImageArray:
    """Arrange rows of images on one image, uint8 (h, w, 3) RGB.

    `rows`: uint8 (h, w), (h, w, 1) or (h, w, 3) RGB images of any size; each is scaled into a cell of one common size
    with its aspect ratio kept. `labels`: one caption per row, above it. `titles`: one caption per column, above the
    first row. `height` of a cell in pixels; it is reduced if the sheet would be wider than `max_width`.
    """
    num_columns = max([len(row) for row in rows] + [len(titles)], default=0)
    if num_columns == 0:
        raise ValueError("a contact sheet needs at least one image")
    aspect = max(image.shape[1] / image.shape[0] for row in rows for image in row)
    height = max(16, min(height, int((max_width / num_columns - GAP_PX) / aspect)))
    width = max(16, round(height * aspect))
    total_width = num_columns * (width + GAP_PX) + GAP_PX
    strips: list[ImageArray] = []
    if titles:
        strips.append(_join_cells([_caption_bar(title, width) for title in titles], total_width))
    for index, row in enumerate(rows):
        if index < len(labels) and labels[index]:
            strips.append(_caption_bar(labels[index], total_width))
        strips.append(_join_cells([_fit_to_cell(image, height, width) for image in row], total_width))
    return np.concatenate(strips, axis=0)


def panel_boxes(sizes: Sequence[tuple[int, int]], height: int, *, has_labels: bool) -> list[tuple[int, int, int, int]]:
    """(x, y, width, height) in pixels of each image in the result of `side_by_side`; `sizes`: (height, width)."""
    height += height % 2
    top, left, boxes = BAR_HEIGHT_PX if has_labels else 0, 0, []
    for image_height, image_width in sizes:
        width = max(2, round(image_width * height / image_height))
        boxes.append((left, top, width, height))
        left += width + GAP_PX
    return boxes


def side_by_side(images: Sequence[NDArray[Any]], labels: Sequence[str], height: int) -> ImageArray:
    """Images at one height next to each other under their captions: uint8 (height + bar, w, 3) RGB of even size.

    The size of the result depends only on the number and sizes of the images, so that frames fit one video.
    """
    if not images:
        raise ValueError("nothing to put side by side")
    rgb_images = [_to_rgb(image) for image in images]
    boxes = panel_boxes([image.shape[:2] for image in rgb_images], height, has_labels=any(labels))
    total_width = boxes[-1][0] + boxes[-1][2]
    canvas = np.full((boxes[0][1] + boxes[0][3], total_width + total_width % 2, 3), BACKGROUND_GREY, np.uint8)
    for index, (image, (left, top, width, panel_height)) in enumerate(zip(rgb_images, boxes, strict=True)):
        if top:
            canvas[:top, left : left + width] = _caption_bar(labels[index] if index < len(labels) else "", width)
        canvas[top:, left : left + width] = resize_image(image, panel_height, width)
    return canvas


def _to_rgb(image: NDArray[Any]) -> ImageArray:
    if image.dtype != np.uint8:
        raise ValueError(f"images must be uint8, not {image.dtype}")
    if image.ndim == 2:
        image = image[:, :, None]
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[:, :, :3]


def _fit_to_cell(image: NDArray[Any], height: int, width: int) -> ImageArray:
    """Scale an image to fit into a dark cell and centre it there."""
    rgb = _to_rgb(image)
    scale = min(height / rgb.shape[0], width / rgb.shape[1])
    inner_size = max(1, round(rgb.shape[0] * scale)), max(1, round(rgb.shape[1] * scale))
    cell = np.full((height, width, 3), BACKGROUND_GREY, np.uint8)
    top, left = (height - inner_size[0]) // 2, (width - inner_size[1]) // 2
    cell[top : top + inner_size[0], left : left + inner_size[1]] = resize_image(rgb, *inner_size)
    return cell


def _join_cells(cells: Sequence[ImageArray], width: int) -> ImageArray:
    """Place cells from left to right with gaps around them, padded to `width`."""
    row_height = max((cell.shape[0] for cell in cells), default=0)
    canvas = np.full((row_height + GAP_PX, width, 3), BACKGROUND_GREY, np.uint8)
    left = GAP_PX
    for cell in cells:
        canvas[: cell.shape[0], left : left + cell.shape[1]] = cell
        left += cell.shape[1] + GAP_PX
    return canvas


@lru_cache(maxsize=64)  # all frames of a video have the same captions
def _caption_bar(label: str, width: int) -> ImageArray:
    """A dark bar with a caption. Long text is drawn smaller, down to a limit, and then truncated."""
    bar = np.full((BAR_HEIGHT_PX, width, 3), BAR_GREY, np.uint8)
    text = label.encode("ascii", "replace").decode()  # OpenCV's fonts are ASCII only
    scale = 0.5
    available_width = max(1, width - 2 * TEXT_MARGIN_PX)
    while cv2.getTextSize(text, FONT, scale, 1)[0][0] > available_width and scale > 0.38:
        scale -= 0.04
    while len(text) > 1 and cv2.getTextSize(text, FONT, scale, 1)[0][0] > available_width:
        text = text.rstrip(".")[:-1] + ".."
        if text == "..":
            break
    captioned_bar = cv2.putText(
        bar, text, (TEXT_MARGIN_PX, BAR_HEIGHT_PX - 7), FONT, scale, TEXT_COLOUR, 1, cv2.LINE_AA
    )
    return np.asarray(captioned_bar, dtype=np.uint8)
