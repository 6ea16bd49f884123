"""The perceptual loss: on where its weights are, off with a word where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from vid2vid_cli.core.errors import MissingWeightsError
from vid2vid_cli.networks.perceptual import PerceptualLoss, find_perceptual

CPU = torch.device("cpu")


class Times(nn.Module):
    """A layer that multiplies."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def network(factor: float) -> nn.Sequential:
    return nn.Sequential(*[Times(factor) for _ in range(37)])


def test_by_hand_with_layers_that_change_nothing() -> None:
    loss = PerceptualLoss(network(1.0))
    picture, target = torch.zeros(1, 3, 4, 4, requires_grad=True), torch.zeros(1, 3, 4, 4, requires_grad=True)
    value = loss(picture + 0.2, target)
    # 0.2 of [-1, 1] is 0.1 of [0, 1], divided by ImageNet's deviations; the weights sum to 1.46875.
    expected = (1 / 32 + 1 / 16 + 1 / 8 + 1 / 4 + 1) * 0.1 * (1 / 0.229 + 1 / 0.224 + 1 / 0.225) / 3
    assert float(value.detach()) == pytest.approx(expected, rel=1e-4)
    value.backward()
    assert (picture.grad > 0).all()
    assert target.grad is None


def test_the_taps_are_the_five_layers() -> None:
    """Each layer doubles, so a tap n layers deep sees 2^n times the difference."""
    loss, picture = PerceptualLoss(network(2.0)), torch.zeros(1, 3, 4, 4)
    flat = PerceptualLoss(network(1.0))(picture + 0.2, picture) / 1.46875
    taps = zip((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), (2, 7, 12, 21, 30), strict=True)
    expected = float(flat) * sum(weight * 2**depth for weight, depth in taps)
    assert float(loss(picture + 0.2, picture)) == pytest.approx(expected, rel=1e-4)
    weighted = PerceptualLoss(nn.Sequential(*[nn.Conv2d(3, 3, 1) for _ in range(37)]))
    assert not any(parameter.requires_grad for parameter in weighted.parameters())


def test_off_without_weights_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_VGG19", str(tmp_path / "none.pth"))
    loss, notice = find_perceptual(10.0, CPU)
    assert loss is None
    assert "VGG19's weights are not at hand" in notice
    assert str(tmp_path) in notice
    assert find_perceptual(0.0, CPU) == (None, "")


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision")
    path = tmp_path / "vgg.pth"
    path.write_bytes(b"not it")
    monkeypatch.setenv("VID2VID_VGG19", str(path))
    with pytest.raises(MissingWeightsError, match=r"vgg\.pth is not torchvision's"):
        find_perceptual(10.0, CPU)
