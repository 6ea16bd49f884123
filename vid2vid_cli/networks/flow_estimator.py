"""Reference flow for training, and how far to trust it. Never needed for synthesis."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vid2vid_cli.ops.warp import warp

_SMALLEST = 32
"""Pixels; DIS needs room for its pyramid, so smaller pictures are enlarged for it."""


class DisTeacher:
    """Dense inverse search flow (Kroeger et al., ECCV 2016) by OpenCV: no weights, hundreds of frames per second."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    @torch.no_grad()
    def __call__(self, previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        """Backward flow from `current` to `previous`, (n, 3, h, w) twice -> (n, 2, h, w) pixels, (n, 1, h, w) {0, 1}.

        Trusted where both directions agree, |b + f(x + b)|^2 < 0.01 (|b|^2 + |f|^2) + 0.5 (Sundaram et al., ECCV
        2010), and where the warped frame looks like the real one, sum over RGB of the squared error < 0.02 in the
        range [-1, 1] (vid2vid's own test; agreement alone trusts flow that is consistently wrong).
        """
        before, now = _grey(previous), _grey(current)
        back = torch.stack([self._flow(n, b) for b, n in zip(before, now, strict=True)])
        forth = torch.stack([self._flow(b, n) for b, n in zip(before, now, strict=True)])
        back, forth = back.to(previous.device), forth.to(previous.device)
        there = warp(forth, back)
        apart = (back + there).square().sum(1, keepdim=True)
        longest = back.square().sum(1, keepdim=True) + there.square().sum(1, keepdim=True)
        error = (warp(previous, back) - current).square().sum(1, keepdim=True)
        trusted = (apart < 0.01 * longest + 0.5) & (error < 0.02)
        return back.to(previous.dtype), trusted.to(previous.dtype)

    def _flow(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Tensor:
        height, width = first.shape
        scale = max(1.0, _SMALLEST / min(height, width))
        if scale > 1.0:
            size = (round(width * scale), round(height * scale))
            first, second = (cv2.resize(image, size).astype(np.uint8) for image in (first, second))
        flow: NDArray[Any] = self._dis.calc(first, second, None)  # type: ignore[call-overload]
        if scale > 1.0:
            factors = np.array([width / flow.shape[1], height / flow.shape[0]], dtype=np.float32)
            flow = cv2.resize(flow, (width, height)) * factors
        return torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)))


def _grey(frames: Tensor) -> list[NDArray[np.uint8]]:
    """(n, 3, h, w) in [-1, 1] -> n pictures (h, w)."""
    levels = ((frames.detach().float() + 1) * 127.5).round().clamp(0, 255).byte()
    pictures = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8) for picture in pictures]
