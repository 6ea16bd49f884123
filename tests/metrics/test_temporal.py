"""The warping error of known motion."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.metrics.temporal import warping_error


def moving_image(num_frames: int = 4, size: int = 16) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A random image that moves two pixels to the right per frame, its backward flow, and the confidence."""
    wide = torch.rand(3, size, size + 2 * num_frames, generator=torch.Generator().manual_seed(0)) * 2 - 1
    frames = torch.stack([wide[:, :, 2 * (num_frames - i) : 2 * (num_frames - i) + size] for i in range(num_frames)])
    flow = torch.tensor([-2.0, 0.0]).view(1, 2, 1, 1).expand(num_frames, 2, size, size)
    confidence = torch.ones(num_frames, 1, size, size)
    confidence[..., :2] = 0
    return frames, flow, confidence


def test_warping_error_of_exact_motion_is_zero() -> None:
    assert float(warping_error(*moving_image())) == pytest.approx(0.0, abs=1e-5)


def test_warping_error_of_static_frames_is_positive() -> None:
    frames, flow, confidence = moving_image()
    assert float(warping_error(frames[:1].expand_as(frames), flow, confidence)) > 0.2


def test_warping_error_by_hand() -> None:
    """A difference of 0.2 in [-1, 1] is 0.1 in [0, 1]; pixels without confidence are ignored."""
    frames = torch.zeros(3, 3, 4, 4)
    frames[1], frames[2] = 0.2, 0.4
    frames[1:, :, :, 2:] += 1
    frames[2, :, :, 2:] += 1
    confidence = torch.ones(3, 1, 4, 4)
    confidence[..., 2:] = 0
    assert float(warping_error(frames, torch.zeros(3, 2, 4, 4), confidence)) == pytest.approx(0.1, abs=1e-6)


def test_warping_error_ignores_first_flow() -> None:
    frames, flow, confidence = moving_image()
    invalid_flow = flow.clone()
    invalid_flow[0] = torch.nan
    assert float(warping_error(frames, invalid_flow, confidence)) == pytest.approx(0.0, abs=1e-5)
    assert float(warping_error(frames, flow, torch.zeros_like(confidence))) == 0.0
