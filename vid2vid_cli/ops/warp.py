"""Backward warping."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(previous: Tensor, flow: Tensor) -> Tensor:
    """Sample `previous` where `flow` points, (b, c, h, w), (b, 2, h, w) -> (b, c, h, w).

    warp(previous, flow)[y, x] = previous[y + dy, x + dx], bilinear, clamped to the border. Computed in float32 and
    returned in the type of `previous`: bf16 cannot tell neighbouring pixels apart beyond 256.
    """
    height, width = flow.shape[-2:]
    x = torch.arange(width, device=flow.device, dtype=torch.float32)
    y = torch.arange(height, device=flow.device, dtype=torch.float32)
    # With NaN in it, the gradient of grid_sample on a CPU writes outside of its memory: a crash, where a diverged
    # training is to be told. The loss on the flow itself still sees the NaN.
    flow = flow.float().nan_to_num(0.0)
    # align_corners=True: -1 and 1 are the centres of the outermost pixels, so a pixel is 2 / (size - 1).
    grid_x = (x + flow[:, 0]) * (2.0 / max(width - 1, 1)) - 1.0
    grid_y = (y[:, None] + flow[:, 1]) * (2.0 / max(height - 1, 1)) - 1.0
    grid = torch.stack([grid_x, grid_y], dim=-1)
    sampled = F.grid_sample(previous.float(), grid, mode="bilinear", padding_mode="border", align_corners=True)
    return sampled.to(previous.dtype)
