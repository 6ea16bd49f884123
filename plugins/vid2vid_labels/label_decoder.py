"""Conversion of stored label images to known class ids, instance ids or RGB."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import LabelFileError, LabelImage, UInt8Array
from vid2vid_labels.classes import CLASS_SETS, VOID_ID, ClassTable
from vid2vid_labels.label_values import colour_codes, pack_rgb, rgb_text, to_grey

Pixels = NDArray[Any]
MAX_LISTED_VALUES = 4
"""Unknown values that an error lists individually."""


class LabelDecoder:
    """Converts label images to ids of these classes, (h, w) uint8 or uint16."""

    def __init__(self, class_table: ClassTable, *, is_colour_coded: bool, snap_colours: bool) -> None:
        self._class_table, self._is_colour_coded, self._snap_colours = class_table, is_colour_coded, snap_colours

    def __call__(self, image: LabelImage, name: str) -> NDArray[Any]:
        """Return the ids of an image; `name` identifies it in errors.

        Raises: LabelFileError (lists unknown values, their positions and pixel counts).
        """
        if self._is_colour_coded:
            return self._decode_colours(image.rgb, name)
        ids = to_grey(image)
        if ids is None:
            raise LabelFileError(
                f"{name} contains colours, not label ids.",
                "--conditioner-option labels.format=colours for colour-coded classes, labels.format=rgb for RGB images",
            )
        unknown = (
            cv2.LUT(ids, self._class_table.is_unknown[:256])
            if ids.dtype == np.uint8
            else self._class_table.is_unknown[ids]
        )
        if unknown.any():
            raise self._unknown_ids_error(ids, unknown, name)
        return ids.astype(self._class_table.dtype, copy=False)

    def _unknown_ids_error(self, ids: Pixels, unknown: Pixels, name: str) -> LabelFileError:
        occurrences = _locate_values(ids, unknown)
        unknown_ids = [value for value, _, _ in occurrences]
        descriptions = [f"{value} at {position} ({pixel_count_text(count)})" for value, position, count in occurrences]
        more = f" and {len(descriptions) - MAX_LISTED_VALUES} more" if len(descriptions) > MAX_LISTED_VALUES else ""
        value_text = "an id" if len(descriptions) == 1 else "ids"
        matching_sets = [
            set_name for set_name, classes in CLASS_SETS.items() if set(unknown_ids) <= {c.id for c in classes}
        ]
        suggestions = [
            f"--conditioner-option labels.classes={choice}" for choice in (*matching_sets, max(unknown_ids) + 1)
        ]
        ignore_ids = ",".join(str(class_id) for class_id in sorted({*self._class_table.ignore_ids, *unknown_ids}))
        if unknown_ids == [VOID_ID]:
            suggestions = []
        if len(unknown_ids) <= MAX_LISTED_VALUES:
            suggestions.append(f"--conditioner-option labels.ignore_ids={ignore_ids} for ids without a class")
        return LabelFileError(
            f"{name} contains {value_text} not in the class list: {', '.join(descriptions[:MAX_LISTED_VALUES])}{more}. "
            f"The classes are {self._class_table}.",
            ", or ".join(suggestions),
        )

    @cached_property
    def _colour_to_id(self) -> NDArray[np.int32]:
        """(2**24,): packed colour -> id, -1 for a colour without a class."""
        codes = colour_codes(self._class_table.classes)
        colour_to_id = np.full(1 << 24, -1, dtype=np.int32)
        colour_to_id[list(codes)] = list(codes.values())
        return colour_to_id

    def _decode_colours(self, image: UInt8Array, name: str) -> NDArray[Any]:
        codes = pack_rgb(image)
        ids = self._colour_to_id[codes]
        unknown = ids < 0
        if unknown.any():
            if not self._snap_colours:
                raise self._unknown_colours_error(codes, unknown, name)
            self._snap_to_nearest_class(np.unique(codes[unknown]))
            ids = self._colour_to_id[codes]
        return ids.astype(self._class_table.dtype)

    def _snap_to_nearest_class(self, codes: Pixels) -> None:
        """Assign colours without a class to the class with the nearest colour in RGB."""
        class_codes = np.array(list(colour_codes(self._class_table.classes)), dtype=np.int32)
        ids = self._colour_to_id[class_codes]

        def unpack_rgb(values: Pixels) -> NDArray[np.float32]:
            return np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.float32)

        for start in range(0, len(codes), 4096):
            batch = codes[start : start + 4096]
            squared_distances = ((unpack_rgb(batch)[:, None] - unpack_rgb(class_codes)[None]) ** 2).sum(axis=2)
            self._colour_to_id[batch] = ids[squared_distances.argmin(axis=1)]

    def _unknown_colours_error(self, codes: Pixels, unknown: Pixels, name: str) -> LabelFileError:
        occurrences = sorted(_locate_values(codes, unknown), key=lambda row: -row[2])
        descriptions = [
            f"{rgb_text(value)} at {position} ({pixel_count_text(count)})"
            for value, position, count in occurrences[:MAX_LISTED_VALUES]
        ]
        more = f" and {len(occurrences) - MAX_LISTED_VALUES} more" if len(occurrences) > MAX_LISTED_VALUES else ""
        value_text = "a colour" if len(occurrences) == 1 else "colours"
        return LabelFileError(
            f"{name} contains {value_text} not in the class list: {', '.join(descriptions)}{more}.",
            "--conditioner-option labels.classes=FILE with all colours; labels.snap_colours=true if compression or "
            "soft borders change the colours; labels.format=rgb for RGB images; labels.format=ids for ids",
        )


def _locate_values(values: Pixels, mask: Pixels) -> list[tuple[int, str, int]]:
    """Return each value in the mask with the position of its first pixel and its pixel count."""
    rows, columns = np.nonzero(mask)
    unique_values, first_indices, counts = np.unique(values[rows, columns], return_index=True, return_counts=True)
    positions = [f"x={columns[index]}, y={rows[index]}" for index in first_indices]
    return list(zip(unique_values.tolist(), positions, counts.tolist(), strict=True))


def pixel_count_text(count: int) -> str:
    """Return `1 pixel` or `12 pixels`."""
    return "1 pixel" if count == 1 else f"{count} pixels"


def decode_instance_ids(image: LabelImage, name: str) -> NDArray[np.uint16]:
    """Return instance ids (h, w). Raises: LabelFileError (the image has colours)."""
    ids = to_grey(image)
    if ids is None:
        raise LabelFileError(
            f"{name} contains colours, not instance ids.", "Use grey images of 8 or 16 bits for instance ids."
        )
    return ids.astype(np.uint16)
