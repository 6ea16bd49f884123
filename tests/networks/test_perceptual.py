"""The perceptual loss: values by hand, missing and wrong weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from vid2vid_cli.core.errors import MissingWeightsError
from vid2vid_cli.networks.perceptual import PerceptualLoss, build_perceptual_loss

CPU = torch.device("cpu")


class Multiply(nn.Module):
    """Multiplies its input by a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def multiplying_network(factor: float) -> nn.Sequential:
    """37 layers, as many as VGG19's features."""
    return nn.Sequential(*[Multiply(factor) for _ in range(37)])


def test_perceptual_loss_by_hand_with_identity_layers() -> None:
    loss = PerceptualLoss(multiplying_network(1.0))
    image, target = torch.zeros(1, 3, 4, 4, requires_grad=True), torch.zeros(1, 3, 4, 4, requires_grad=True)
    value = loss(image + 0.2, target)
    # 0.2 in [-1, 1] is 0.1 in [0, 1], divided by ImageNet's standard deviations; the weights sum to 1.46875.
    expected = (1 / 32 + 1 / 16 + 1 / 8 + 1 / 4 + 1) * 0.1 * (1 / 0.229 + 1 / 0.224 + 1 / 0.225) / 3
    assert float(value.detach()) == pytest.approx(expected, rel=1e-4)
    value.backward()
    assert (image.grad > 0).all()
    assert target.grad is None


def test_perceptual_loss_uses_five_layers() -> None:
    """Each layer doubles its input, so the features after n layers have 2^n times the difference."""
    loss, image = PerceptualLoss(multiplying_network(2.0)), torch.zeros(1, 3, 4, 4)
    identity_loss = PerceptualLoss(multiplying_network(1.0))(image + 0.2, image) / 1.46875
    layers = zip((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), (2, 7, 12, 21, 30), strict=True)
    expected = float(identity_loss) * sum(weight * 2**depth for weight, depth in layers)
    assert float(loss(image + 0.2, image)) == pytest.approx(expected, rel=1e-4)
    trainable = PerceptualLoss(nn.Sequential(*[nn.Conv2d(3, 3, 1) for _ in range(37)]))
    assert not any(parameter.requires_grad for parameter in trainable.parameters())


def test_build_perceptual_loss_without_weights_gives_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_VGG19", str(tmp_path / "none.pth"))
    loss, notice = build_perceptual_loss(10.0, CPU)
    assert loss is None
    assert "VGG19" in notice
    assert str(tmp_path) in notice
    assert build_perceptual_loss(0.0, CPU) == (None, "")


def test_build_perceptual_loss_rejects_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision")
    path = tmp_path / "vgg.pth"
    path.write_bytes(b"other")
    monkeypatch.setenv("VID2VID_VGG19", str(path))
    with pytest.raises(MissingWeightsError, match=r"vgg\.pth"):
        build_perceptual_loss(10.0, CPU)
