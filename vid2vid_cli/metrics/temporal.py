"""Temporal consistency."""

from __future__ import annotations

from torch import Tensor

from vid2vid_cli.ops.warp import warp


def warping_error(frames: Tensor, flow: Tensor, confidence: Tensor) -> Tensor:
    """Root mean square difference between each frame and the warped previous frame, (t, 3, h, w) -> scalar.

    `flow` (t, 2, h, w) and `confidence` (t, 1, h, w) are computed on the real clip; index 0 is ignored. The unit is the
    range [0, 1], over pixels with confidence 1 (Lai et al., ECCV 2018). The real clip's own error, which noise and
    light keep above zero, is the reference: a lower error means too little motion.
    """
    warped = warp(frames[:-1], flow[1:])
    squared_error = ((frames[1:] - warped) / 2).square() * confidence[1:]
    return (squared_error.sum() / (confidence[1:].sum() * frames.shape[1]).clamp(min=1)).sqrt()
