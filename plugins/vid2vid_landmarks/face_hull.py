"""The mask of a face, for compositing: the hull of its points, extended above the brows."""

from __future__ import annotations

import cv2
import numpy as np

from vid2vid_cli.conditioning import FloatArray, SubjectImage
from vid2vid_landmarks.drawing import SUBPIXEL_BITS
from vid2vid_landmarks.topology import FACE_PARTS

CHIN_POINT = 8
FOREHEAD_SHARE = 0.15
"""Height of the hull above the brows, in multiples of the distance from the eyes to the chin: below most hairlines."""


def face_hull_mask(subject: SubjectImage) -> FloatArray:
    """1 inside the hull of the face, 0 outside, (h, w) of the image; zeros without a complete face."""
    view, points = subject.view, subject.annotation.points.get("face")
    mask = np.zeros((view.height, view.width), dtype=np.uint8)
    if subject.annotation.quality <= 0 or points is None or not np.isfinite(points).all():
        return mask.astype(np.float32)
    positions = view.transform_points(points[:, :2])
    eyes = positions[[*FACE_PARTS["left_eye"], *FACE_PARTS["right_eye"]]].mean(axis=0)
    brows = positions[[*FACE_PARTS["left_brow"], *FACE_PARTS["right_brow"]]]
    forehead = brows + FOREHEAD_SHARE * (eyes - positions[CHIN_POINT])
    hull = cv2.convexHull(np.concatenate([positions, forehead]).astype(np.float32))
    fixed_point_hull = np.rint(np.clip(hull, -8e3, 8e3) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed_point_hull, 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return mask.astype(np.float32) / np.float32(255)
