"""The DIS teacher recovers a known motion and says where it cannot."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from vid2vid_cli.networks.flow_estimator import DisTeacher
from vid2vid_cli.ops.warp import warp


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colourful noise in [-1, 1], (h, w, 3)."""
    noise = np.random.default_rng(seed).uniform(-1, 1, (height, width, 3)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return blurred / np.abs(blurred).max()


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, -4), (-5, 2)])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (61, 97)])
def test_a_known_shift_is_found(dx: int, dy: int, height: int, width: int) -> None:
    """current[y, x] = previous[y + dy, x + dx]: the backward flow is (dx, dy)."""
    big = texture(height + 16, width + 16)
    previous = tensor(big[8 : 8 + height, 8 : 8 + width])
    current = tensor(big[8 + dy : 8 + dy + height, 8 + dx : 8 + dx + width])
    flow, confidence = DisTeacher()(previous, current)
    assert flow.shape == (1, 2, height, width)
    inner = flow[0, :, 10:-10, 10:-10]
    assert torch.allclose(inner.mean((1, 2)), torch.tensor([float(dx), float(dy)]), atol=0.15)
    assert confidence[0, 0, 10:-10, 10:-10].mean() > 0.95
    assert set(confidence.unique().tolist()) <= {0.0, 1.0}
    assert torch.allclose(warp(previous, flow)[..., 10:-10, 10:-10], current[..., 10:-10, 10:-10], atol=0.15)


def test_each_pair_of_a_batch_has_its_own_flow() -> None:
    big = texture(80, 80)
    previous = tensor(big[8:72, 8:72])
    right, down = tensor(big[8:72, 11:75]), tensor(big[11:75, 8:72])
    flow, _ = DisTeacher()(previous.repeat(2, 1, 1, 1), torch.cat([right, down]))
    middle = flow[:, :, 12:-12, 12:-12].mean((2, 3))
    assert torch.allclose(middle, torch.tensor([[3.0, 0.0], [0.0, 3.0]]), atol=0.2)


def test_what_was_hidden_is_not_trusted() -> None:
    """A square moves right by eight; the strip it uncovers was not to be seen before."""
    ground, square = texture(96, 96), texture(32, 32, seed=1)
    before, now = ground.copy(), ground.copy()
    before[32:64, 24:56] = square
    now[32:64, 32:64] = square
    _, confidence = DisTeacher()(tensor(before), tensor(now))
    assert confidence[0, 0, 36:60, 25:31].mean() < 0.3
    assert confidence[0, 0, 70:, :].mean() > 0.95
    assert confidence[0, 0, 40:56, 40:56].mean() > 0.8


def test_noise_is_not_trusted_and_rest_is() -> None:
    noise = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    _, confidence = DisTeacher()(noise[:1], noise[1:])
    assert confidence.mean() < 0.1
    still = tensor(texture(48, 48))
    flow, confidence = DisTeacher()(still, still)
    assert flow.abs().max() < 0.05
    assert confidence.mean() == 1


def test_a_changed_colour_is_not_trusted() -> None:
    """Flow that agrees with itself both ways may still be wrong: the picture has the last word."""
    still = tensor(texture(48, 48)) * 0.5
    _, confidence = DisTeacher()(still, still + 0.2)
    assert confidence.mean() < 0.05


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 48), (8, 8)])
def test_tiny_pictures_have_flow_too(height: int, width: int) -> None:
    big = texture(height + 4, width + 4)
    previous, current = tensor(big[2:-2, 2:-2]), tensor(big[2:-2, 3:-1])
    flow, confidence = DisTeacher()(previous, current)
    assert flow.shape == (1, 2, height, width)
    assert confidence.shape == (1, 1, height, width)
    if height >= 16:
        middle = flow[0, :, 4:-4, 4:-4].mean((1, 2))
        assert torch.allclose(middle, torch.tensor([1.0, 0.0]), atol=0.35)
