"""Position and height of a person, and the similarity transform from one person to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vid2vid_cli.conditioning import Annotation, Statistics, UInt8Array, View, subsample, view_image

HEIGHT_PERCENTILE = 90
"""Percentile of the box heights taken as the upright height, and of the lower box edges taken as the floor."""
SUBJECT_MARGIN = 0.1
"""Margin of the subject box, as a share of the person height."""


def person_statistics(annotations: Sequence[Annotation]) -> Statistics:
    """Return the statistics of a clip; {} without any detection.

    `height` and `width` of the frame, and in pixels: `person_height`; `floor_y`; `centre_x`, the median x;
    `subject_box`.
    """
    boxes = []
    for annotation in subsample(annotations):
        box = _iuv_bounding_box(annotation.images["iuv"]) if "iuv" in annotation.images else None
        if box is not None:
            boxes.append(box)
    if not boxes:
        return {}
    first_annotation, box_array = annotations[0], np.array(boxes, dtype=np.float64)
    person_height = float(np.percentile(box_array[:, 3] - box_array[:, 1], HEIGHT_PERCENTILE))
    box_min, box_max = (
        np.percentile(box_array, 2, axis=0)[:2] - SUBJECT_MARGIN * person_height,
        np.percentile(box_array, 98, axis=0)[2:] + SUBJECT_MARGIN * person_height,
    )
    return {
        "height": first_annotation.height,
        "width": first_annotation.width,
        "person_height": round(person_height, 3),
        "floor_y": round(float(np.percentile(box_array[:, 3], HEIGHT_PERCENTILE)), 3),
        "centre_x": round(float(np.median(box_array[:, [0, 2]].mean(axis=1))), 3),
        "subject_box": [
            round(float(value), 3)
            for value in (
                max(box_min[0], 0),
                max(box_min[1], 0),
                min(box_max[0], first_annotation.width),
                min(box_max[1], first_annotation.height),
            )
        ],
    }


def fit_similarity(source: Statistics, target: Statistics) -> View:
    """Return the view from the source's frame to the target's that aligns person height, floor and median position.

    For a point p and the ratio s of the heights: p' = target + s (p - source), where source and target are the points
    (centre_x, floor_y).
    """
    scale = float(target["person_height"]) / max(float(source["person_height"]), 1.0)
    # The statistics are in edge coordinates, but a view maps pixel centres.
    x = float(target["centre_x"]) - scale * float(source["centre_x"]) + 0.5 * scale - 0.5
    y = float(target["floor_y"]) - scale * float(source["floor_y"]) + 0.5 * scale - 0.5
    return View(((scale, 0.0, x), (0.0, scale, y)), int(target["height"]), int(target["width"]))


def warp_iuv(iuv: UInt8Array, view: View) -> UInt8Array:
    """Return the IUV image in a view, with nearest-neighbour sampling; 0 outside the source's frame."""
    # `view_image` repeats the border, so that a border of zeros gives zeros outside.
    padded = np.pad(iuv, ((1, 1), (1, 1), (0, 0)))
    (a, b, x), (c, d, y) = view.matrix
    padded_view = View(((a, b, x - a - b), (c, d, y - c - d)), view.height, view.width)
    warped: UInt8Array = view_image(padded, padded_view, nearest=True)
    return warped


def _iuv_bounding_box(iuv: UInt8Array) -> tuple[int, int, int, int] | None:
    """Return the box (x0, y0, x1, y1) of all parts, in edge coordinates; None if there are none."""
    part_mask = iuv[:, :, 0] > 0
    rows, columns = np.flatnonzero(part_mask.any(axis=1)), np.flatnonzero(part_mask.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
