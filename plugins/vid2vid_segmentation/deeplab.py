"""torchvision's DeepLabV3 (Chen, Papandreou, Schroff, Adam 2017, arXiv:1706.05587) as a backend."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import MissingPackageError, MissingWeightsError, UInt8Array
from vid2vid_segmentation import INSTALL_COMMAND, TORCHVISION_WEIGHTS
from vid2vid_segmentation.backend import Segmenter, TiledScores, TileScores, resize
from vid2vid_segmentation.weights import fetch_published_weights, require_weights

ModelName = Literal["mobilenet", "resnet50", "resnet101"]

TORCHVISION_NAMES: dict[ModelName, str] = {
    "mobilenet": "deeplabv3_mobilenet_v3_large",
    "resnet50": "deeplabv3_resnet50",
    "resnet101": "deeplabv3_resnet101",
}
# ImageNet normalisation of RGB in [0, 1], as in torchvision's transforms for these weights.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MAX_ASPECT_RATIO = 4  # longer frames are resized to this aspect ratio


class DeepLabSegmenter(Segmenter):
    """Runs on the GPU if available, otherwise on the CPU with torch's default number of threads."""

    def __init__(
        self, model: ModelName, weights: Path | None, *, num_classes: int, input_size: int, batch_size: int | None
    ) -> None:
        self.class_ids = tuple(range(num_classes))
        self._input_size = input_size
        torchvision = _import_torchvision()
        import torch

        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_size = batch_size or (8 if self._device.type == "cuda" else 1)
        path = fetch_published_weights(TORCHVISION_WEIGHTS[model]) if weights is None else require_weights(weights)
        network = _build_network(torchvision, path, model if weights is None else None, num_classes)
        # Frames are channels-last; a channels-last network is a third faster on a CPU.
        self._network = network.to(self._device, memory_format=torch.channels_last)
        self._mean = torch.tensor(IMAGENET_MEAN, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(IMAGENET_STD, device=self._device).view(1, 3, 1, 1)

    def predict(self, frames: Sequence[UInt8Array]) -> list[TiledScores]:
        """Run all frames in one batch, each whole, with a shorter side of `input_size` pixels."""
        import torch

        height, width = _input_shape(frames[0].shape[0], frames[0].shape[1], self._input_size)
        batch = np.stack([resize(frame, height, width) for frame in frames])
        with torch.inference_mode():
            images = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float() / 255
            images = (images - self._mean) / self._std
            # The auxiliary classifier is only used in training. Half the input size is finer than the output stride.
            scores = self._network.classifier(self._network.backbone(images)["out"])
            output_size = (height + 1) // 2, (width + 1) // 2
            scores = torch.nn.functional.interpolate(scores, size=output_size, mode="bilinear", align_corners=False)
        score_arrays = scores.float().cpu().numpy()
        return [TiledScores(*output_size, (TileScores(0, 0, array),)) for array in score_arrays]

    def close(self) -> None:
        """Release the network."""
        self._network = None


def _input_shape(height: int, width: int, input_size: int) -> tuple[int, int]:
    """Return the input size (height, width) for a frame, with `input_size` as the shorter side."""
    scale = input_size / min(height, width)
    return min(round(height * scale), MAX_ASPECT_RATIO * input_size), min(
        round(width * scale), MAX_ASPECT_RATIO * input_size
    )


def _import_torchvision() -> Any:
    try:
        import torchvision.models.segmentation  # fails if the installation is broken
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            f"segmentation needs torchvision, which cannot be imported: {error}.", INSTALL_COMMAND
        ) from error
    import torchvision

    return torchvision


def _build_network(torchvision: Any, path: Path, model: ModelName | None, num_classes: int) -> Any:
    """Build the network with the weights of a file; the model is detected from the file if `model` is None."""
    state = {name: value for name, value in _load_state_dict(path).items() if not name.startswith("aux_classifier.")}
    model_name = model or _guess_model(state)
    if model_name is None:
        raise _mismatch_error(path, f"the first key is {next(iter(state), 'missing')!r}")
    classifier_weight = state.get("classifier.4.weight")
    if classifier_weight is not None and classifier_weight.shape[0] != num_classes:
        raise MissingWeightsError(
            f"{path} has {classifier_weight.shape[0]} classes, but segmentation.num_classes is {num_classes}.",
            f"--conditioner-option segmentation.num_classes={classifier_weight.shape[0]}",
        )
    import torch

    with torch.device("meta"):  # skips the initialisation of weights that are replaced below
        network = torchvision.models.get_model(
            TORCHVISION_NAMES[model_name], weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=False
        )
    expected_state = network.state_dict()
    problems = [f"{name} is missing" for name in expected_state if name not in state]
    problems += [f"{name} is unexpected" for name in state if name not in expected_state]
    problems += [
        f"{name} has the shape {tuple(state[name].shape)} instead of {tuple(expected_state[name].shape)}"
        for name in expected_state
        if name in state and state[name].shape != expected_state[name].shape
    ]
    if problems:
        suffix = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise _mismatch_error(path, f"{TORCHVISION_NAMES[model_name]}: {problems[0]}{suffix}")
    network.load_state_dict(state, assign=True)
    return network.float().eval()


def _mismatch_error(path: Path, reason: str) -> MissingWeightsError:
    return MissingWeightsError(
        f"{path} is not a state dict of torchvision's DeepLabV3: {reason}.",
        "Use the state dict of torchvision's deeplabv3_mobilenet_v3_large, deeplabv3_resnet50 or deeplabv3_resnet101, "
        "or a TFLite file.",
    )


def _load_state_dict(path: Path) -> dict[str, Any]:
    """Return name -> tensor, without executing anything from the file. Raises: MissingWeightsError."""
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise MissingWeightsError(
            f"{path} cannot be loaded by torch: {lines[0].rstrip('.')}.",
            "Use a state dict that was written by torch.save and contains only tensors.",
        ) from error
    # Training scripts nest the state dict, and DataParallel adds a prefix to the names.
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise _mismatch_error(path, f"it contains a {type(content).__name__}")
    return {str(name).removeprefix("module."): value for name, value in content.items() if torch.is_tensor(value)}


def _guess_model(state: Mapping[str, NDArray[Any]]) -> ModelName | None:
    """Return the model of a state dict; None if unknown."""
    if "backbone.layer1.0.conv1.weight" in state:
        return "resnet101" if "backbone.layer3.6.conv1.weight" in state else "resnet50"
    return "mobilenet" if "backbone.0.0.weight" in state else None
