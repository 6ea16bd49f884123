"""The warping error is zero for a picture that moves exactly along the flow."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.metrics.temporal import warping_error


def moving(count: int = 4, size: int = 16) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A random picture that slides two pixels to the right per frame, its backward flow, and where that holds."""
    wide = torch.rand(3, size, size + 2 * count, generator=torch.Generator().manual_seed(0)) * 2 - 1
    frames = torch.stack([wide[:, :, 2 * (count - i) : 2 * (count - i) + size] for i in range(count)])
    flow = torch.tensor([-2.0, 0.0]).view(1, 2, 1, 1).expand(count, 2, size, size)
    confidence = torch.ones(count, 1, size, size)
    confidence[..., :2] = 0
    return frames, flow, confidence


def test_perfect_motion_is_no_error() -> None:
    assert float(warping_error(*moving())) == pytest.approx(0.0, abs=1e-5)


def test_a_picture_that_stands_still_is_one() -> None:
    frames, flow, confidence = moving()
    assert float(warping_error(frames[:1].expand_as(frames), flow, confidence)) > 0.2


def test_by_hand_in_units_of_the_range() -> None:
    """Every trusted pixel off by 0.2 of [-1, 1] is 0.1 of [0, 1]; the untrusted half is worse and does not count."""
    frames = torch.zeros(3, 3, 4, 4)
    frames[1], frames[2] = 0.2, 0.4
    frames[1:, :, :, 2:] += 1
    frames[2, :, :, 2:] += 1
    confidence = torch.ones(3, 1, 4, 4)
    confidence[..., 2:] = 0
    assert float(warping_error(frames, torch.zeros(3, 2, 4, 4), confidence)) == pytest.approx(0.1, abs=1e-6)


def test_the_first_entry_of_the_flow_is_not_looked_at() -> None:
    frames, flow, confidence = moving()
    broken = flow.clone()
    broken[0] = torch.nan
    assert float(warping_error(frames, broken, confidence)) == pytest.approx(0.0, abs=1e-5)
    assert float(warping_error(frames, flow, torch.zeros_like(confidence))) == 0.0
