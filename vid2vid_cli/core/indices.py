"""Selection of frames by their indices."""

from __future__ import annotations

import numpy as np


def evenly_spaced(length: int, num_indices: int) -> list[int]:
    """Up to `num_indices` evenly spaced indices of a sequence, including the first and the last."""
    return sorted({round(float(position)) for position in np.linspace(0, length - 1, min(length, num_indices))})
