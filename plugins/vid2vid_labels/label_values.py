"""Ids and colours of label images, and the check that all indexed images have the same palette."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import LabelClass, LabelFileError, LabelImage


def to_grey(image: LabelImage) -> NDArray[Any] | None:
    """Return the ids (h, w) of an image: the indices or the grey values, also if stored as RGB; None for colours."""
    values = image.values
    if values.ndim == 2:
        return values
    is_grey = (values[:, :, 0] == values[:, :, 1]).all() and (values[:, :, 0] == values[:, :, 2]).all()
    return values[:, :, 0] if is_grey else None


def pack_rgb(image: NDArray[Any]) -> NDArray[np.int32]:
    """Return RGB (h, w, 3) uint8 packed into one number per pixel, (h, w) int32."""
    bgra = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGRA)
    packed_image: NDArray[np.int32] = bgra.view("<u4")[:, :, 0].astype(np.int32) & 0xFFFFFF
    return packed_image


def rgb_text(code: int) -> str:
    """Return a packed colour as `(red, green, blue)`."""
    return f"({code >> 16}, {code >> 8 & 255}, {code & 255})"


def colour_codes(classes: tuple[LabelClass, ...]) -> dict[int, int]:
    """Return packed colour -> id; of classes with the same colour, the first."""
    codes: dict[int, int] = {}
    for label_class in classes:
        red, green, blue = label_class.colour
        codes.setdefault(red << 16 | green << 8 | blue, label_class.id)
    return codes


def used_palette_colours(image: LabelImage) -> dict[int, int]:
    """Return index -> packed colour of the indices that occur in an indexed image; {} for other images."""
    if image.palette is None:
        return {}
    indices = np.flatnonzero(np.bincount(image.values.ravel(), minlength=len(image.palette)))
    codes = pack_rgb(image.palette[None])[0]
    return {index: int(codes[index]) for index in indices.tolist()}


class PaletteConflict(NamedTuple):
    """An index that has different colours in two images."""

    palette_index: int
    name: str
    code: int
    previous_name: str
    previous_code: int


class PaletteRecord:
    """The colours of the indices in the indexed images added so far."""

    def __init__(self) -> None:
        self._codes: dict[int, tuple[int, str]] = {}
        """Index -> packed colour, and the name of the first image with it."""

    def add(self, image: LabelImage, name: str) -> PaletteConflict | None:
        """Add an image; return the first index that has another colour in an earlier image."""
        for index, code in used_palette_colours(image).items():
            previous_code, previous_name = self._codes.setdefault(index, (code, name))
            if code != previous_code:
                return PaletteConflict(index, name, code, previous_name, previous_code)
        return None

    def check(self, image: LabelImage, name: str) -> None:
        """Add an image whose indices are ids. Raises: LabelFileError (its palette differs from an earlier one)."""
        conflict = self.add(image, name)
        if conflict is not None:
            raise LabelFileError(
                f"The palettes of the indexed images differ: index {conflict.palette_index} is "
                f"{rgb_text(conflict.code)} in {conflict.name} and {rgb_text(conflict.previous_code)} in "
                f"{conflict.previous_name}, so the indices are not ids.",
                "--conditioner-option labels.format=colours with labels.classes for class colours; labels.format=rgb "
                "for images that are not labels; or save all images with one palette",
            )
