"""The perceptual loss: distance between VGG19 features."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.core.errors import MissingWeightsError
from vid2vid_cli.media.files import sha256_of_files

WEIGHTS_FILE_NAME = "vgg19-dcbb9e9d.pth"
ENV_VAR = "VID2VID_VGG19"
FEATURE_LAYERS = (1, 6, 11, 20, 29)
"""relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 among torchvision's `features`."""
MAX_WIDTH = 1024
"""Pixels, as in vid2vid: at higher resolutions VGG19 would need more memory than the generator."""
LAYER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


class PerceptualLoss(nn.Module):
    """Weighted L1 between features (Johnson et al., ECCV 2016; layers and weights of pix2pixHD).

    Images in [-1, 1] are normalised with ImageNet's mean and standard deviation, which the published code omits.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        slice_starts = (0, *(layer + 1 for layer in FEATURE_LAYERS[:-1]))
        self.slices = nn.ModuleList(features[a : b + 1] for a, b in zip(slice_starts, FEATURE_LAYERS, strict=True))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """(b, 3, h, w) twice -> scalar; no gradient flows into `target`. Images wider than 1024 px are halved."""
        while image.shape[-1] > MAX_WIDTH:
            image, target = (F.avg_pool2d(x, 2) for x in (image, target))
        image_features, target_features = (((x + 1) / 2 - self.mean) / self.std for x in (image, target))
        distances = []
        for weight, layer_slice in zip(LAYER_WEIGHTS, self.slices, strict=True):
            image_features = layer_slice(image_features)
            with torch.no_grad():
                target_features = layer_slice(target_features)
            distances.append(weight * F.l1_loss(image_features.float(), target_features.float()))
        return torch.stack(distances).sum()


def build_perceptual_loss(weight: float, device: torch.device) -> tuple[PerceptualLoss | None, str]:
    """The loss and "", or None and the reason why the loss is disabled ("" if its weight is 0).

    Reads torchvision's published weights from torch's cache or from $VID2VID_VGG19; nothing is downloaded. Raises
    MissingWeightsError if the file is not the published one.
    """
    if weight == 0:
        return None, ""
    path_override = os.environ.get(ENV_VAR)
    path = Path(path_override) if path_override else Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_FILE_NAME
    if not path.is_file():
        return None, f"the perceptual loss is disabled: VGG19 weights not found (put {WEIGHTS_FILE_NAME} at {path})"
    if find_spec("torchvision") is None:
        return None, 'the perceptual loss is disabled: it needs torchvision (pip install "vid2vid-cli[perceptual]")'
    return load_perceptual_loss(path).to(device), ""


def load_perceptual_loss(path: Path, *, sha256_prefix: str = "dcbb9e9d") -> PerceptualLoss:
    """The loss with weights from a file. Raises MissingWeightsError if its sha256 does not start with the prefix."""
    digest = sha256_of_files(path)
    if not digest.startswith(sha256_prefix):
        raise MissingWeightsError(
            f"{path} is not torchvision's {WEIGHTS_FILE_NAME}: its sha256 starts with {digest[:8]}, "
            f"not {sha256_prefix}",
            "Delete it, or download it again from pytorch.org.",
        )
    from torchvision.models import vgg19

    network = vgg19(weights=None)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return PerceptualLoss(network.features)
