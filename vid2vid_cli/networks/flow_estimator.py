"""Reference flow and its confidence, for training; synthesis does not need them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vid2vid_cli.ops.warp import warp

_MIN_SIDE = 32
"""Pixels. Smaller images are enlarged, because DIS needs several pyramid levels."""


class DISFlow:
    """OpenCV's dense inverse search flow (Kroeger et al., ECCV 2016). It needs no weight file."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    @torch.no_grad()
    def __call__(self, previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        """Backward flow from `current` to `previous`, (n, 3, h, w) twice -> (n, 2, h, w) pixels, (n, 1, h, w) {0, 1}.

        The confidence is 1 where both directions agree, |b + f(x + b)|^2 < 0.01 (|b|^2 + |f|^2) + 0.5 (Sundaram et al.,
        ECCV 2010), and where the warped frame matches the current one, squared error summed over RGB < 0.02 in the
        range [-1, 1] (as in vid2vid). The second test rejects flow that is wrong in both directions.
        """
        previous_grey, current_grey = _to_grayscale(previous), _to_grayscale(current)
        backward_flow = torch.stack(
            [self._compute_flow(n, b) for b, n in zip(previous_grey, current_grey, strict=True)]
        )
        forward_flow = torch.stack([self._compute_flow(b, n) for b, n in zip(previous_grey, current_grey, strict=True)])
        backward_flow, forward_flow = backward_flow.to(previous.device), forward_flow.to(previous.device)
        warped_forward_flow = warp(forward_flow, backward_flow)
        cycle_error = (backward_flow + warped_forward_flow).square().sum(1, keepdim=True)
        squared_magnitude = backward_flow.square().sum(1, keepdim=True) + warped_forward_flow.square().sum(
            1, keepdim=True
        )
        photometric_error = (warp(previous, backward_flow) - current).square().sum(1, keepdim=True)
        confidence = (cycle_error < 0.01 * squared_magnitude + 0.5) & (photometric_error < 0.02)
        return backward_flow.to(previous.dtype), confidence.to(previous.dtype)

    def _compute_flow(self, source: NDArray[np.uint8], target: NDArray[np.uint8]) -> Tensor:
        height, width = source.shape
        scale = max(1.0, _MIN_SIDE / min(height, width))
        if scale > 1.0:
            size = (round(width * scale), round(height * scale))
            source, target = (cv2.resize(image, size).astype(np.uint8) for image in (source, target))
        flow: NDArray[Any] = self._dis.calc(source, target, None)  # type: ignore[call-overload]
        if scale > 1.0:
            scale_factors = np.array([width / flow.shape[1], height / flow.shape[0]], dtype=np.float32)
            flow = cv2.resize(flow, (width, height)) * scale_factors
        return torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)))


def _to_grayscale(frames: Tensor) -> list[NDArray[np.uint8]]:
    """(n, 3, h, w) in [-1, 1] -> n grey images (h, w)."""
    uint8_frames = ((frames.detach().float() + 1) * 127.5).round().clamp(0, 255).byte()
    images = uint8_frames.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8) for image in images]


def clip_flow(frames: Tensor) -> tuple[Tensor, Tensor]:
    """The flow (t, 2, h, w) from each frame of a clip (t, 3, h, w) to the one before it, and its confidence.

    The first entries are zero: the first frame has no previous one.
    """
    flow, confidence = DISFlow()(frames[:-1], frames[1:])
    return torch.cat([flow[:1] * 0, flow]), torch.cat([confidence[:1] * 0, confidence])
