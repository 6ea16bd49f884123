"""Frames as tensors."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

MAX_MERGED_CHANNELS = 512
"""Limit of OpenCV."""


def frame_to_tensor(frame: NDArray[np.uint8]) -> torch.Tensor:
    """Convert uint8 (h, w, 3) to float (3, h, w) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))).float().div_(127.5).sub_(1)


def condition_to_tensor(channels: NDArray[Any], *, channels_last: bool) -> torch.Tensor:
    """Convert (c, h, w) float32 or int8 to a tensor of the same shape; a copy if `channels_last`.

    OpenCV interleaves the channels five times as fast as torch: 0.7 instead of 3.4 ms for 16 channels of 256 x 256.
    """
    if not channels_last or not 1 < len(channels) <= MAX_MERGED_CHANNELS:
        return torch.from_numpy(channels)
    return torch.from_numpy(cv2.merge(list(channels))).permute(2, 0, 1)
