"""Backward warping: identity, integer shifts, interpolation and gradients."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.ops.warp import warp

SIZES = [(7, 13), (13, 7), (16, 16), (61, 97), (1, 5)]


def constant_flow(dx: float, dy: float, height: int, width: int) -> torch.Tensor:
    return torch.tensor([dx, dy]).view(1, 2, 1, 1).expand(1, 2, height, width)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_zero_flow_is_identity(height: int, width: int) -> None:
    previous = torch.rand(2, 3, height, width)
    assert torch.allclose(warp(previous, torch.zeros(2, 2, height, width)), previous, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(7, 13), (13, 7), (61, 97)])
@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (0, 3), (-2, 1), (3, -2), (-40, 0), (0, 90), (150, -150)])
def test_integer_flow_is_shift_clamped_to_border(height: int, width: int, dx: int, dy: int) -> None:
    previous = torch.rand(1, 2, height, width)
    rows = (torch.arange(height) + dy).clamp(0, height - 1)
    columns = (torch.arange(width) + dx).clamp(0, width - 1)
    expected = previous[:, :, rows][:, :, :, columns]
    assert torch.allclose(warp(previous, constant_flow(dx, dy, height, width)), expected, atol=1e-3)


def test_half_pixel_flow_is_mean_of_two_pixels() -> None:
    previous = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 4, 8).contiguous()
    assert torch.allclose(
        warp(previous, constant_flow(0.5, 0, 4, 8))[0, 0, 0], torch.tensor([0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.0])
    )


def test_each_pixel_has_its_own_flow() -> None:
    previous = torch.arange(12.0).view(1, 1, 3, 4)
    flow = torch.zeros(1, 2, 3, 4)
    flow[0, :, 1, 2] = torch.tensor([-2.0, 1.0])
    expected = previous.clone()
    expected[0, 0, 1, 2] = previous[0, 0, 2, 0]
    assert torch.allclose(warp(previous, flow), expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Input #:UserWarning")
def test_gradients_match_finite_differences() -> None:
    """The sampling is float32 by design, so the tolerance is that of float32."""
    torch.manual_seed(0)
    previous = torch.rand(1, 2, 5, 6, requires_grad=True)
    # Not at integer positions, where bilinear interpolation is not differentiable.
    flow = (torch.rand(1, 2, 5, 6) * 0.6 + 0.2 + torch.randint(-1, 1, (1, 2, 5, 6))).requires_grad_()
    assert torch.autograd.gradcheck(warp, (previous, flow), eps=1e-2, atol=2e-2, rtol=2e-2, nondet_tol=1e-5)


def test_bf16_keeps_dtype_and_positions() -> None:
    """bf16 coordinates would be wrong by pixels at a width of 512."""
    previous = torch.zeros(1, 1, 2, 512, dtype=torch.bfloat16)
    previous[..., 300] = 1
    warped = warp(previous, constant_flow(1, 0, 2, 512).to(torch.bfloat16))
    assert warped.dtype == torch.bfloat16
    assert torch.equal(warped.float()[0, 0, 0].nonzero().flatten(), torch.tensor([299]))
