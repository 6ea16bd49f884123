"""Perceptual distances: between features of VGG19, or of EfficientNet-Lite0 for CPUs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.media.published_weights import (
    EFFICIENTNET_LITE0_WEIGHTS,
    VGG19_WEIGHTS,
    WeightFile,
    check_weight_file,
)
from vid2vid_cli.networks.efficientnet_lite import EfficientNetLite0

PerceptualNetworkName = Literal["vgg19", "efficientnet_lite0"]
PERCEPTUAL_WEIGHTS: Mapping[PerceptualNetworkName, WeightFile] = {
    "vgg19": VGG19_WEIGHTS,
    "efficientnet_lite0": EFFICIENTNET_LITE0_WEIGHTS,
}
METRIC_NAMES: Mapping[PerceptualNetworkName, str] = {
    "vgg19": "perceptual_vgg19_relu1_1_to_relu5_1",
    "efficientnet_lite0": "perceptual_efficientnet_lite0_blocks_2_4_7",
}
"""Names of the distances as metrics, with network and layers."""

VGG19_CHANNELS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)
"""Channels of the 3x3 convolutions up to relu5_1 (Simonyan and Zisserman, ICLR 2015, E); 0: max pooling."""
VGG19_LAYERS = (1, 6, 11, 20, 29)
"""relu1_1, relu2_1, relu3_1, relu4_1, relu5_1, as numbered in the published state dict."""
VGG19_LAYER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
MAX_VGG19_WIDTH = 1024
"""Pixels, as in vid2vid: at higher resolutions VGG19 would need more memory than the generator."""
LITE0_BLOCKS = (2, 4, 7)
"""The last blocks at strides 4, 8 and 16."""


class PerceptualLoss(nn.Module, ABC):
    """Distance between the features of two images. The weights are fixed."""

    @abstractmethod
    def features(self, image: Tensor) -> Iterator[Tensor]:
        """(b, 3, h, w) in [-1, 1] -> the features of each layer."""

    @abstractmethod
    def layer_distance(self, index: int, features: Tensor, target_features: Tensor) -> Tensor:
        """The distance (b,) between the features of a layer of two images."""

    def layer_distances(self, image: Tensor, target: Tensor) -> Iterator[Tensor]:
        """(b, 3, h, w) twice in [-1, 1] -> one (b,) per layer; no gradient flows into `target`."""
        target_layers = self.features(target)
        for index, features in enumerate(self.features(image)):
            with torch.no_grad():
                target_features = next(target_layers)
            yield self.layer_distance(index, features, target_features)

    def distance_to_features(self, image: Tensor, target_features: Sequence[Tensor]) -> Tensor:
        """(b, 3, h, w) in [-1, 1] -> (b,), the distance from the image whose features these are."""
        layers = enumerate(zip(self.features(image), target_features, strict=True))
        return torch.stack([self.layer_distance(index, *pair) for index, pair in layers]).sum(0)

    def distance(self, image: Tensor, target: Tensor) -> Tensor:
        """(b, 3, h, w) twice in [-1, 1] -> (b,), the sum over the layers."""
        return torch.stack(list(self.layer_distances(image, target))).sum(0)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """(b, 3, h, w) twice in [-1, 1] -> scalar, the mean of `distance`."""
        return self.distance(image, target).mean()


class VGG19PerceptualLoss(PerceptualLoss):
    """Weighted L1 between features (Johnson et al., ECCV 2016; layers and weights of pix2pixHD).

    Images are normalised with ImageNet's mean and standard deviation, which the published code omits. Images wider
    than 1024 pixels are halved.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        slice_starts = (0, *(layer + 1 for layer in VGG19_LAYERS[:-1]))
        self.slices = nn.ModuleList(features[a : b + 1] for a, b in zip(slice_starts, VGG19_LAYERS, strict=True))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def features(self, image: Tensor) -> Iterator[Tensor]:
        """See `PerceptualLoss.features`."""
        while image.shape[-1] > MAX_VGG19_WIDTH:
            image = F.avg_pool2d(image, 2)
        features = ((image + 1) / 2 - self.mean) / self.std
        for layer_slice in self.slices:
            features = layer_slice(features)
            yield features

    def layer_distance(self, index: int, features: Tensor, target_features: Tensor) -> Tensor:
        """See `PerceptualLoss.layer_distance`."""
        return VGG19_LAYER_WEIGHTS[index] * (features.float() - target_features.float()).abs().mean((1, 2, 3))


class EfficientNetPerceptualLoss(PerceptualLoss):
    """Squared distance between feature vectors of unit length, averaged over pixels (as in Zhang et al., CVPR 2018).

    Measured on crops of seven clips at 256 px (faces, bodies, a street), as a fraction of the distance of a 5x5 box
    blur: a shift by one pixel costs 0.30 (at most 0.38), a diagonal one 0.48 (0.62), a 3x3 blur 0.36. Stem and block 0
    are not used: at their resolution the shift costs as much as the blur. Features without unit length would respond
    three times as much to a change of brightness; ImageNet's normalisation does not fit the published weights (the stem
    then deviates by 0.22 standard deviations from the statistics of its training, with (x - 127) / 128 by 0.04).
    """

    def __init__(self, network: EfficientNetLite0) -> None:
        super().__init__()
        self.network = network
        self.eval().requires_grad_(False)

    def features(self, image: Tensor) -> Iterator[Tensor]:
        """See `PerceptualLoss.features`."""
        features = self.network((127.5 * image + 0.5) / 128)
        for block in LITE0_BLOCKS:
            yield F.normalize(features[block + 1].float(), dim=1, eps=1e-5)

    def layer_distance(self, index: int, features: Tensor, target_features: Tensor) -> Tensor:
        """See `PerceptualLoss.layer_distance`."""
        return (features - target_features).square().sum(1).mean((1, 2))


def build_perceptual_network(name: PerceptualNetworkName) -> PerceptualLoss:
    """The loss with random weights."""
    if name == "efficientnet_lite0":
        return EfficientNetPerceptualLoss(EfficientNetLite0(LITE0_BLOCKS[-1] + 1))
    layers: list[nn.Module] = []
    in_channels = 3
    for channels in VGG19_CHANNELS:
        layers += [nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU()] if channels else [nn.MaxPool2d(2)]
        in_channels = channels or in_channels
    return VGG19PerceptualLoss(nn.Sequential(*layers))


def load_perceptual_loss(name: PerceptualNetworkName, path: Path) -> PerceptualLoss:
    """The loss with the published weights. Raises MissingWeightsError (the sha256 of the file differs)."""
    check_weight_file(PERCEPTUAL_WEIGHTS[name], path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    loss = build_perceptual_network(name)
    if isinstance(loss, EfficientNetPerceptualLoss):
        network: nn.Module = loss.network
    else:
        assert isinstance(loss, VGG19PerceptualLoss)
        network = nn.Sequential(*(layer for layer_slice in loss.slices for layer in layer_slice.children()))
        state = {key.removeprefix("features."): value for key, value in state.items()}
    network.load_state_dict({key: state[key] for key in network.state_dict()})
    return loss
