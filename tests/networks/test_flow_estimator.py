"""DIS flow: known motion, and confidence."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.ops.warp import warp


def random_texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth RGB noise in [-1, 1], (h, w, 3)."""
    noise = np.random.default_rng(seed).uniform(-1, 1, (height, width, 3)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return blurred / np.abs(blurred).max()


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """(h, w, 3) -> (1, 3, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, -4), (-5, 2)])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (61, 97)])
def test_flow_of_known_shift(dx: int, dy: int, height: int, width: int) -> None:
    """current[y, x] = previous[y + dy, x + dx]: the backward flow is (dx, dy)."""
    large = random_texture(height + 16, width + 16)
    previous = to_tensor(large[8 : 8 + height, 8 : 8 + width])
    current = to_tensor(large[8 + dy : 8 + dy + height, 8 + dx : 8 + dx + width])
    flow, confidence = DISFlow()(previous, current)
    assert flow.shape == (1, 2, height, width)
    inner = flow[0, :, 10:-10, 10:-10]
    assert torch.allclose(inner.mean((1, 2)), torch.tensor([float(dx), float(dy)]), atol=0.15)
    assert confidence[0, 0, 10:-10, 10:-10].mean() > 0.95
    assert set(confidence.unique().tolist()) <= {0.0, 1.0}
    assert torch.allclose(warp(previous, flow)[..., 10:-10, 10:-10], current[..., 10:-10, 10:-10], atol=0.15)


def test_flow_of_each_pair_in_batch() -> None:
    large = random_texture(80, 80)
    previous = to_tensor(large[8:72, 8:72])
    right, down = to_tensor(large[8:72, 11:75]), to_tensor(large[11:75, 8:72])
    flow, _ = DISFlow()(previous.repeat(2, 1, 1, 1), torch.cat([right, down]))
    mean_flow = flow[:, :, 12:-12, 12:-12].mean((2, 3))
    assert torch.allclose(mean_flow, torch.tensor([[3.0, 0.0], [0.0, 3.0]]), atol=0.2)


def test_confidence_is_low_in_disoccluded_areas() -> None:
    """A square moves right by eight pixels and uncovers a strip of background."""
    background, square = random_texture(96, 96), random_texture(32, 32, seed=1)
    previous, current = background.copy(), background.copy()
    previous[32:64, 24:56] = square
    current[32:64, 32:64] = square
    _, confidence = DISFlow()(to_tensor(previous), to_tensor(current))
    assert confidence[0, 0, 36:60, 25:31].mean() < 0.3
    assert confidence[0, 0, 70:, :].mean() > 0.95
    assert confidence[0, 0, 40:56, 40:56].mean() > 0.8


def test_confidence_of_noise_and_of_static_image() -> None:
    noise = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    _, confidence = DISFlow()(noise[:1], noise[1:])
    assert confidence.mean() < 0.1
    static = to_tensor(random_texture(48, 48))
    flow, confidence = DISFlow()(static, static)
    assert flow.abs().max() < 0.05
    assert confidence.mean() == 1


def test_confidence_is_low_if_colours_change() -> None:
    """Forward and backward flow agree, but the warped image does not match."""
    static = to_tensor(random_texture(48, 48)) * 0.5
    _, confidence = DISFlow()(static, static + 0.2)
    assert confidence.mean() < 0.05


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 48), (8, 8)])
def test_flow_of_tiny_images(height: int, width: int) -> None:
    large = random_texture(height + 4, width + 4)
    previous, current = to_tensor(large[2:-2, 2:-2]), to_tensor(large[2:-2, 3:-1])
    flow, confidence = DISFlow()(previous, current)
    assert flow.shape == (1, 2, height, width)
    assert confidence.shape == (1, 1, height, width)
    if height >= 16:
        mean_flow = flow[0, :, 4:-4, 4:-4].mean((1, 2))
        assert torch.allclose(mean_flow, torch.tensor([1.0, 0.0]), atol=0.35)
