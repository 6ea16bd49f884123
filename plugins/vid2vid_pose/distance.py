"""How far one skeleton is from another, in parts of the person's size."""

from __future__ import annotations

import numpy as np

from vid2vid_cli.conditioning import Floats
from vid2vid_pose.body_statistics import JOINTS, SURE

NEAR = 0.1
"""Part of a person's size within which a joint counts as in its place."""


def skeleton_distances(found: Floats, wanted: Floats) -> dict[str, float]:
    """Of bodies (25 p, 3) in pixels: `pose_error` and `pose_pck`, both in %; {} where no joint is in both.

    A person's size is the larger side of the box about their wanted joints, which are those of some confidence.
    `pose_error`: mean distance of the joints that were found, in % of it. `pose_pck`: share of the wanted joints that
    were found within a tenth of it (PCK@0.1 of Yang and Ramanan, PAMI 2013); a joint not found is none of them.
    """
    people = len(wanted) // JOINTS
    there, aim = found.reshape(people, JOINTS, 3), wanted.reshape(people, JOINTS, 3)
    sure = np.isfinite(aim).all(axis=2) & (aim[:, :, 2] >= SURE)
    places = np.where(sure[:, :, None], aim[:, :, :2], np.nan)
    known = sure.sum(axis=1) > 1
    if not known.any():
        return {}
    size = (np.nanmax(places[known], axis=1) - np.nanmin(places[known], axis=1)).max(axis=1)
    away = np.linalg.norm(there[known, :, :2] - places[known], axis=2) / np.maximum(size, 1e-6)[:, None]
    seen = np.isfinite(away)
    if not seen.any():
        return {}
    near = float((away[seen] <= NEAR).sum()) / float(sure[known].sum())
    return {"pose_error": 100 * float(away[seen].mean()), "pose_pck": 100 * near}
