"""Backward warping."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(previous: Tensor, flow: Tensor) -> Tensor:
    """Warp `previous` backward by `flow`, (b, c, h, w), (b, 2, h, w) -> (b, c, h, w).

    warp(previous, flow)[y, x] = previous[y + dy, x + dx], bilinear, clamped to the border. Computed in float32, since
    bf16 cannot represent pixel coordinates above 256 exactly, and returned in the type of `previous`.
    """
    height, width = flow.shape[-2:]
    x = torch.arange(width, device=flow.device, dtype=torch.float32)
    y = torch.arange(height, device=flow.device, dtype=torch.float32)
    # With NaN in the grid, the CPU gradient of grid_sample writes out of bounds and crashes. NaN in the flow still
    # reaches the flow loss, so a diverged training is detected.
    flow = flow.float()
    if torch.is_grad_enabled():
        flow = flow.nan_to_num(0.0)
    # align_corners=True: -1 and 1 are the centres of the outermost pixels, so a pixel is 2 / (size - 1).
    grid_x = (x + flow[:, 0]) * (2.0 / max(width - 1, 1)) - 1.0
    grid_y = (y[:, None] + flow[:, 1]) * (2.0 / max(height - 1, 1)) - 1.0
    grid = torch.stack([grid_x, grid_y], dim=1).permute(0, 2, 3, 1)  # planes: faster than interleaved coordinates
    sampled = F.grid_sample(previous.float(), grid, mode="bilinear", padding_mode="border", align_corners=True)
    return sampled.to(previous.dtype)


def warp_repeatedly(image: Tensor, flow: Tensor, num_frames: int) -> Tensor:
    """Continue constant motion, (1, c, h, w), (1, 2, h, w) -> (num_frames, c, h, w): each warps the one before it."""
    frames = []
    for _ in range(num_frames):
        image = warp(image, flow)
        frames.append(image)
    return torch.cat(frames)
