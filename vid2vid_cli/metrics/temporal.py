"""Temporal consistency."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vid2vid_cli.metrics.image import LUMA_WEIGHTS
from vid2vid_cli.ops.warp import warp

NUM_FLICKER_CELLS = 8
"""Rows and columns of the grid on which flicker is measured."""
LEVELS_PER_UNIT = 127.5
"""8-bit levels per unit of the range from -1 to 1."""


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


def flicker(images: Tensor, targets: Tensor) -> Tensor:
    """Changes of the brightness from frame to frame that the real clip does not have, (t, 3, h, w) twice -> (t - 1,).

    The root mean square over a grid of 8x8 cells, in 8-bit levels of the luma, of the change in `images` minus that in
    `targets`. Also a frozen video has an error where the real one changes.
    """
    luma = (images - targets).mul(images.new_tensor(LUMA_WEIGHTS).view(3, 1, 1)).sum(1, keepdim=True)
    cells = F.adaptive_avg_pool2d(luma, NUM_FLICKER_CELLS).flatten(1) * LEVELS_PER_UNIT
    return (cells[1:] - cells[:-1]).square().mean(1).sqrt()


def colour_drift(images: Tensor, targets: Tensor) -> Tensor:
    """How fast the mean colour departs from that of the real clip, (t, 3, h, w) twice, t >= 2 -> scalar.

    The length of the RGB vector of the slopes of straight lines through the differences of the frames' mean colours,
    fitted by least squares, in 8-bit levels per 1,000 frames.
    """
    differences = (images - targets).mean((2, 3)).double() * LEVELS_PER_UNIT
    time = torch.arange(len(images), dtype=torch.float64, device=images.device)
    time -= time.mean()
    slopes: Tensor = time @ differences / time.square().sum()
    drift: Tensor = torch.linalg.vector_norm(1000 * slopes)
    return drift
