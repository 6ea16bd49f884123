"""Frames as tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def frame_to_tensor(frame: NDArray[np.uint8]) -> torch.Tensor:
    """Convert uint8 (h, w, 3) to float (3, h, w) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))).float().div_(127.5).sub_(1)
