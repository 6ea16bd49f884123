"""Horizontal flip of annotations, with left and right exchanged."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RowIndices = tuple[int, ...]
_SIDE_PATTERN = re.compile("left|right", re.IGNORECASE)
_OPPOSITE_SIDE = {"left": "right", "Left": "Right", "LEFT": "RIGHT"}
_OPPOSITE_SIDE |= {right: left for left, right in _OPPOSITE_SIDE.items()}


def opposite_side_name(name: str, names: Collection[str]) -> str:
    """Return `left_hand` for `right_hand`, `Left-arm` for `Right-arm`; `name` if `names` lacks the opposite name."""
    opposite_name = _SIDE_PATTERN.sub(lambda match: _OPPOSITE_SIDE.get(match.group(), match.group()), name)
    return opposite_name if opposite_name in names else name


def hflip_points(
    points: Mapping[str, NDArray[Any]], width: int, flip_indices: Mapping[str, RowIndices]
) -> dict[str, Any]:
    """Flip points (n, 2) or (n, 3) of a frame `width` pixels wide, and exchange left and right.

    `flip_indices[name]` gives the source row for each row of one person; n may be a multiple for several people.
    """
    flipped = {}
    for name in points:
        rows = points[opposite_side_name(name, points)]
        indices = flip_indices.get(name)
        if indices is not None:
            person_offsets = np.arange(0, len(rows), len(indices))[:, None]
            rows = rows[(person_offsets + np.asarray(indices)).ravel()]
        rows = rows.copy()
        rows[:, 0] = width - 1 - rows[:, 0]
        flipped[name] = rows
    return flipped


def hflip_images(images: Mapping[str, NDArray[Any]], id_table: NDArray[np.uint16] | None) -> dict[str, Any]:
    """Flip images (h, w) or (h, w, c); map the ids of label maps through `id_table` (65536,) if given.

    Label maps are the images (h, w) uint8, and the image named `labels`.
    """
    flipped = {}
    for name in images:
        image = images[opposite_side_name(name, images)]
        image = np.ascontiguousarray(image[:, ::-1])
        if id_table is not None and image.ndim == 2 and (image.dtype == np.uint8 or name == "labels"):
            image = id_table.astype(image.dtype)[image]
        flipped[name] = image
    return flipped


@lru_cache(maxsize=16)
def flipped_id_table(classes: tuple[tuple[int, str], ...]) -> NDArray[np.uint16] | None:
    """Return the class id after a flip for each id, (65536,), for classes (id, name); None if no id changes."""
    ids = {name: class_id for class_id, name in classes}
    table = np.arange(65536, dtype=np.uint16)
    for class_id, name in classes:
        table[class_id] = ids[opposite_side_name(name, ids)]
    return None if bool((table == np.arange(65536)).all()) else table
