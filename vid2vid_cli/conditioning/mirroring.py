"""The other side: what a conditioner finds, as it would be found on the mirrored frame."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = tuple[int, ...]
_SIDE = re.compile("left|right", re.IGNORECASE)
_OTHER = {"left": "right", "Left": "Right", "LEFT": "RIGHT"}
_OTHER |= {right: left for left, right in _OTHER.items()}


def other_side(name: str, names: Collection[str]) -> str:
    """`left_hand` for `right_hand`, `Left-arm` for `Right-arm`; the name itself where `names` have no such other."""
    other = _SIDE.sub(lambda found: _OTHER.get(found.group(), found.group()), name)
    return other if other in names else name


def mirror_points(points: Mapping[str, NDArray[Any]], width: int, sides: Mapping[str, Rows]) -> dict[str, Any]:
    """Points (n, 2) or (n, 3) in a frame `width` pixels wide, turned about its middle, sides exchanged.

    `sides[name]` says which row stands in the place of each in the mirror, for one person; n may be several people's.
    """
    turned = {}
    for name in points:
        rows = points[other_side(name, points)]
        order = sides.get(name)
        if order is not None:
            people = np.arange(0, len(rows), len(order))[:, None]
            rows = rows[(people + np.asarray(order)).ravel()]
        rows = rows.copy()
        rows[:, 0] = width - 1 - rows[:, 0]
        turned[name] = rows
    return turned


def mirror_images(images: Mapping[str, NDArray[Any]], exchange: NDArray[np.uint16] | None) -> dict[str, Any]:
    """Images (h, w) or (h, w, c), turned; ids of label maps through `exchange` (65536,), where there is one.

    Label maps are the images (h, w) uint8, and that called `labels`.
    """
    turned = {}
    for name in images:
        image = images[other_side(name, images)]
        image = np.ascontiguousarray(image[:, ::-1])
        if exchange is not None and image.ndim == 2 and (image.dtype == np.uint8 or name == "labels"):
            image = exchange.astype(image.dtype)[image]
        turned[name] = image
    return turned


@lru_cache(maxsize=16)
def exchange_of(classes: tuple[tuple[int, str], ...]) -> NDArray[np.uint16] | None:
    """(65536,): the id that stands for each in the mirror, of classes (id, name); None where all stay what they are."""
    ids = {name: id_ for id_, name in classes}
    table = np.arange(65536, dtype=np.uint16)
    for id_, name in classes:
        table[id_] = ids[other_side(name, ids)]
    return None if bool((table == np.arange(65536)).all()) else table
