"""The perceptual loss: distance of VGG19's features, where its weights are at hand."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.core.errors import MissingWeightsError
from vid2vid_cli.media.files import digest_of

FILE_NAME = "vgg19-dcbb9e9d.pth"
VARIABLE = "VID2VID_VGG19"
LAYERS = (1, 6, 11, 20, 29)
"""relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 among torchvision's `features`."""
WIDEST = 1024
"""Pixels, as published for vid2vid: at full size VGG19 would take more memory than the generator."""
WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


class PerceptualLoss(nn.Module):
    """Weighted L1 between features (Johnson et al., ECCV 2016; layers and weights of pix2pixHD).

    Pictures are brought from [-1, 1] to ImageNet's mean and deviation, which the published code left out.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        starts = (0, *(layer + 1 for layer in LAYERS[:-1]))
        self.slices = nn.ModuleList(features[a : b + 1] for a, b in zip(starts, LAYERS, strict=True))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, picture: Tensor, target: Tensor) -> Tensor:
        """(b, 3, h, w) twice -> scalar; no gradient flows into `target`. Pictures wider than 1024 px are halved."""
        while picture.shape[-1] > WIDEST:
            picture, target = (F.avg_pool2d(image, 2) for image in (picture, target))
        a, b = (((image + 1) / 2 - self.mean) / self.deviation for image in (picture, target))
        distances = []
        for weight, part in zip(WEIGHTS, self.slices, strict=True):
            a = part(a)
            with torch.no_grad():
                b = part(b)
            distances.append(weight * F.l1_loss(a.float(), b.float()))
        return torch.stack(distances).sum()


def find_perceptual(weight: float, device: torch.device) -> tuple[PerceptualLoss | None, str]:
    """The loss, or None and one sentence that says why it is off; ("" where it is on or not wanted).

    The weights are torchvision's published file, in torch's cache or named by $VID2VID_VGG19; nothing is downloaded.
    Raises MissingWeightsError where the file is not the published one.
    """
    if weight == 0:
        return None, ""
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else Path(torch.hub.get_dir()) / "checkpoints" / FILE_NAME
    if not path.is_file():
        return None, f"the perceptual loss is off: VGG19's weights are not at hand (put {FILE_NAME} at {path})"
    if find_spec("torchvision") is None:
        return None, 'the perceptual loss is off: it needs torchvision (pip install "vid2vid-cli[perceptual]")'
    return load_perceptual(path).to(device), ""


def load_perceptual(path: Path, *, sha256: str = "dcbb9e9d") -> PerceptualLoss:
    """The loss with the weights of a file whose sha256 begins so. Raises MissingWeightsError."""
    found = digest_of(path)
    if not found.startswith(sha256):
        raise MissingWeightsError(
            f"{path} is not torchvision's {FILE_NAME}: its sha256 begins with {found[:8]}, not {sha256}",
            "Delete it, or download it again from pytorch.org.",
        )
    from torchvision.models import vgg19

    network = vgg19(weights=None)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return PerceptualLoss(network.features)
