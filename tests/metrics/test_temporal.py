"""The warping error of known motion."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.metrics.temporal import (
    colour_drift,
    flicker,
    frame_warping_errors,
    squared_warping_errors,
    warping_error,
)


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


def test_frame_warping_errors_by_hand() -> None:
    """The root of the mean square of the frames is the error of the clip; a frame without confidence has none."""
    frames = torch.zeros(4, 3, 4, 4)
    frames[1], frames[2], frames[3] = 0.2, 0.6, 0.6
    confidence = torch.ones(4, 1, 4, 4)
    confidence[3] = 0
    squared_errors, num_values = squared_warping_errors(frames, torch.zeros(4, 2, 4, 4), confidence)
    errors = frame_warping_errors(squared_errors, num_values)
    assert errors.tolist() == pytest.approx([float("nan"), 0.1, 0.2, float("nan")], abs=1e-6, nan_ok=True)
    expected = (0.5 * (0.1**2 + 0.2**2)) ** 0.5
    assert float(warping_error(frames, torch.zeros(4, 2, 4, 4), confidence)) == pytest.approx(expected, abs=1e-6)


def test_flicker_by_hand() -> None:
    """One frame that is brighter by 2 levels differs from its neighbours; a constant offset does not flicker."""
    real, _, _ = moving_image(5)
    brighter = real.clone()
    brighter[2] += 2 / 127.5
    assert flicker(brighter, real).tolist() == pytest.approx([0, 2, 2, 0], abs=1e-3)
    assert float(flicker(real + 0.1, real).max()) == pytest.approx(0, abs=1e-3)
    frozen = real[:1].expand_as(real)
    assert float(flicker(frozen, real).min()) > 0.5


def test_colour_drift_by_hand() -> None:
    """Red grows by 0.1 levels and blue falls by 0.2 levels a frame: 100 and 200 per 1,000 frames."""
    real = torch.rand(30, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    drifting = real.clone()
    drifting[:, 0] += (torch.arange(30) * 0.1 / 127.5).view(-1, 1, 1)
    drifting[:, 2] -= (torch.arange(30) * 0.2 / 127.5).view(-1, 1, 1)
    assert float(colour_drift(drifting, real)) == pytest.approx((100**2 + 200**2) ** 0.5, rel=1e-3)
    assert float(colour_drift(real + 0.3, real)) == pytest.approx(0, abs=1e-2)
