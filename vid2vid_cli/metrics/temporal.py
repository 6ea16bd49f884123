"""Temporal consistency."""

from __future__ import annotations

import torch
from torch import Tensor

from vid2vid_cli.ops.warp import warp


def warping_error(frames: Tensor, flow: Tensor, confidence: Tensor) -> Tensor:
    """Root mean square difference between each frame and the warped previous frame, (t, 3, h, w) -> scalar.

    `flow` (t, 2, h, w) and `confidence` (t, 1, h, w) are computed on the real clip; index 0 is ignored. The unit is the
    range [0, 1], over pixels with confidence 1 (Lai et al., ECCV 2018). The real clip's own error, which noise and
    light keep above zero, is the reference: a lower error means too little motion.
    """
    squared_errors, num_values = squared_warping_errors(frames, flow, confidence)
    return (squared_errors.sum() / num_values.sum().clamp(min=1)).sqrt()


def squared_warping_errors(frames: Tensor, flow: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of the squared differences of each frame but the first, and their number, both (t - 1,)."""
    warped = warp(frames[:-1], flow[1:])
    squared_error = ((frames[1:] - warped) / 2).square() * confidence[1:]
    return squared_error.sum((1, 2, 3)), confidence[1:].sum((1, 2, 3)) * frames.shape[1]


def frame_warping_errors(squared_errors: Tensor, num_values: Tensor) -> Tensor:
    """The error of each frame (t,) from `squared_warping_errors`; NaN for the first and without a confident pixel."""
    errors = torch.where(num_values > 0, (squared_errors / num_values.clamp(min=1)).sqrt(), torch.nan)
    return torch.cat([errors.new_full((1,), torch.nan), errors])
