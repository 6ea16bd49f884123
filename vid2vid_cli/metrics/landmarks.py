"""Likeness of face shapes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

OUTER_EYES = (36, 45)
"""The outer corners of the eyes among the 68 points."""


def landmark_error(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean distance of the 68 points in % of the inter-ocular distance, (t, 68, 2) twice -> (t,).

    Normalised by the distance of the outer eye corners of `wanted`; NaN where either was not found.
    """
    distance = np.linalg.norm(found - wanted, axis=-1).mean(-1)
    eyes = np.linalg.norm(wanted[:, OUTER_EYES[0]] - wanted[:, OUTER_EYES[1]], axis=-1)
    return np.asarray(100.0 * distance / eyes, dtype=np.float64)
