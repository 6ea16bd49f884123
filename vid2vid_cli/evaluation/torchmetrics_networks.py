"""Networks of torchmetrics and torch-fidelity with weights from a file that is read without executing anything."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.engine.published_weights import check_layers, read_state_dict

FeatureExtractor = Callable[[Tensor], Tensor]
"""Images (n, 3, h, w) in [-1, 1] -> features (n, d) on the CPU."""


def load_lpips(path: Path, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """LPIPS (Zhang et al., CVPR 2018) by torchmetrics with AlexNet: (t, 3, h, w) twice in [-1, 1] -> (t,).

    `path`: torchvision's AlexNet; the linear layers are those of torchmetrics. Images are not resized. Raises the
    errors of `read_state_dict`, LayerMismatchError.
    """
    from torchmetrics.functional.image.lpips import _LPIPS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's notice of random weights, which are replaced
        network = _LPIPS(pretrained=True, net="alex", pnet_rand=True)
    features = {
        f"{slice_name}.{name}": value
        for slice_name, layers in network.net.named_children()
        for name, value in layers.state_dict(keep_vars=True).items()
    }
    state = read_state_dict(path)
    # The layers of the slices have the numbers that they have in AlexNet.
    names = {key: f"features.{key.partition('.')[2]}" for key in features}
    check_layers(
        path,
        missing=[name for name in names.values() if name not in state],
        unexpected=[],
        mismatched=[name for key, name in names.items() if name in state and state[name].shape != features[key].shape],
    )
    with torch.no_grad():
        for key, name in names.items():
            features[key].copy_(state[name])
    network = network.to(device)

    @torch.inference_mode()
    def measure(images: Tensor, targets: Tensor) -> Tensor:
        pairs = zip(images, targets, strict=True)
        return torch.cat([network(*(image[None].to(device) for image in pair)).reshape(1).cpu() for pair in pairs])

    return measure


def load_inception(path: Path, device: torch.device) -> FeatureExtractor:
    """The 2048 features of torch-fidelity's InceptionV3 on 8-bit images, resized to 299x299 as in TensorFlow 1.

    Raises the errors of `read_state_dict`, LayerMismatchError.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    buffer = io.BytesIO()
    torch.save(read_state_dict(path), buffer)
    buffer.seek(0)
    try:
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=buffer)
    except RuntimeError as error:
        check_layers(path, missing=[], unexpected=[], mismatched=[str(error).splitlines()[-1].strip()])
        raise
    network = network.to(device)

    @torch.inference_mode()
    def extract(images: Tensor) -> Tensor:
        levels = ((images + 1) * 127.5).round().clamp(0, 255).byte()
        return torch.cat([network(level[None].to(device))[0].reshape(1, -1).cpu() for level in levels])

    return extract
