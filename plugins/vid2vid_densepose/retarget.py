"""Where a person stands in the picture and how tall, and the similarity that brings one person to another's place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vid2vid_cli.conditioning import Annotation, Bytes, Statistics, View, spread, view_image

TALL = 90
"""Percentile of the heights that stands for the upright person, and of the lowest points for the floor."""
MARGIN = 0.1
"""Of the height, around the boxes in the focus."""


def describe(annotations: Sequence[Annotation]) -> Statistics:
    """Statistics of a clip; {} where nobody was found.

    `height`, `width` of the frame, and in pixels: `tall`, the person's height; `foot`, the y of the floor; `middle`,
    the median x; `focus`.
    """
    boxes = []
    for one in spread(annotations):
        box = _box(one.images["iuv"]) if "iuv" in one.images else None
        if box is not None:
            boxes.append(box)
    if not boxes:
        return {}
    first, found = annotations[0], np.array(boxes, dtype=np.float64)
    tall = float(np.percentile(found[:, 3] - found[:, 1], TALL))
    low, high = (
        np.percentile(found, 2, axis=0)[:2] - MARGIN * tall,
        np.percentile(found, 98, axis=0)[2:] + MARGIN * tall,
    )
    return {
        "height": first.height,
        "width": first.width,
        "tall": round(tall, 3),
        "foot": round(float(np.percentile(found[:, 3], TALL)), 3),
        "middle": round(float(np.median(found[:, [0, 2]].mean(axis=1))), 3),
        "focus": [
            round(float(value), 3)
            for value in (max(low[0], 0), max(low[1], 0), min(high[0], first.width), min(high[1], first.height))
        ],
    }


def similarity(source: Statistics, target: Statistics) -> View:
    """From the source's frame to the target's: the heights become equal, the floors and the median places meet.

    For a point p, with s the ratio of the heights: p' = target + s (p - source), about (middle, foot).
    """
    scale = float(target["tall"]) / max(float(source["tall"]), 1.0)
    # Places are edges of pixels; a view maps their centres.
    x = float(target["middle"]) - scale * float(source["middle"]) + 0.5 * scale - 0.5
    y = float(target["foot"]) - scale * float(source["foot"]) + 0.5 * scale - 0.5
    return View(((scale, 0.0, x), (0.0, scale, y)), int(target["height"]), int(target["width"]))


def moved(iuv: Bytes, view: View) -> Bytes:
    """An IUV picture through a view, each pixel from the nearest; nothing beyond the source's frame."""
    # A border of nothing, which `view_image` repeats outwards.
    framed = np.pad(iuv, ((1, 1), (1, 1), (0, 0)))
    (a, b, x), (c, d, y) = view.matrix
    shifted = View(((a, b, x - a - b), (c, d, y - c - d)), view.height, view.width)
    seen: Bytes = view_image(framed, shifted, nearest=True)
    return seen


def _box(iuv: Bytes) -> tuple[int, int, int, int] | None:
    """Edges (x0, y0, x1, y1) of everything that is a part; None for nothing."""
    shown = iuv[:, :, 0] > 0
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
