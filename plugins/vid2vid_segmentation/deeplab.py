"""torchvision's DeepLabV3 (Chen, Papandreou, Schroff, Adam 2017, arXiv:1706.05587) as a backend."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, MissingPackageError, MissingWeightsError
from vid2vid_segmentation import INSTALL
from vid2vid_segmentation.backend import Look, Looks, Segmenter, resized
from vid2vid_segmentation.weights import checked, given, published

Model = Literal["mobilenet", "resnet50", "resnet101"]

NAMES: dict[Model, str] = {
    "mobilenet": "deeplabv3_mobilenet_v3_large",
    "resnet50": "deeplabv3_resnet50",
    "resnet101": "deeplabv3_resnet101",
}
EDITION = "COCO_WITH_VOC_LABELS_V1"
# Of ImageNet, RGB in [0, 1]: what torchvision's own transforms of these weights subtract and divide by.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LONGEST = 4  # times the shorter side; longer frames are squeezed


class DeepLabSegmenter(Segmenter):
    """Runs on the GPU where there is one, otherwise on the CPU with torch's own number of threads."""

    def __init__(self, model: Model, weights: Path | None, classes: int, size: int, batch: int | None) -> None:
        self.ids = tuple(range(classes))
        self._size = size
        torchvision = _torchvision()
        import torch

        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.batch = batch or (8 if self._device.type == "cuda" else 1)
        path = published(_url(torchvision, model)) if weights is None else _given(torchvision, weights)
        network = _network(torchvision, path, model if weights is None else None, classes)
        # Frames come with their channels last; a network that takes them so runs a third faster on a CPU.
        self._network = network.to(self._device, memory_format=torch.channels_last)
        self._mean = torch.tensor(MEAN, device=self._device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(DEVIATION, device=self._device).view(1, 3, 1, 1)

    def look(self, frames: Sequence[Bytes]) -> list[Looks]:
        """All frames in one pass; each whole, its shorter side `size` pixels."""
        import torch

        height, width = _fitted(frames[0].shape[0], frames[0].shape[1], self._size)
        stack = np.stack([resized(frame, height, width) for frame in frames])
        with torch.inference_mode():
            pictures = torch.from_numpy(stack).to(self._device).permute(0, 3, 1, 2).float() / 255
            pictures = (pictures - self._mean) / self._deviation
            # The second classifier serves training alone; and half the size is finer than the network's own grid.
            scores = self._network.classifier(self._network.backbone(pictures)["out"])
            half = (height + 1) // 2, (width + 1) // 2
            scores = torch.nn.functional.interpolate(scores, size=half, mode="bilinear", align_corners=False)
        arrays = scores.float().cpu().numpy()
        return [Looks(*half, (Look(0, 0, array),)) for array in arrays]

    def close(self) -> None:
        """Free the network."""
        self._network = None


def _fitted(height: int, width: int, size: int) -> tuple[int, int]:
    """The frame's size with `size` as its shorter side."""
    scale = size / min(height, width)
    return min(round(height * scale), LONGEST * size), min(round(width * scale), LONGEST * size)


def _torchvision() -> Any:
    try:
        import torchvision.models.segmentation  # a broken installation shows itself here
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            f"segmentation needs torchvision, which cannot be imported: {error}.", INSTALL
        ) from error
    import torchvision

    return torchvision


def _url(torchvision: Any, model: Model) -> str:
    return str(torchvision.models.get_model_weights(NAMES[model])[EDITION].url)


def _given(torchvision: Any, weights: Path) -> Path:
    """The file a user named; under a published name it must be the published one."""
    path = given(weights)
    names = [_url(torchvision, model).rsplit("/", 1)[-1] for model in NAMES]
    return checked(path) if path.name in names else path


def _network(torchvision: Any, path: Path, model: Model | None, classes: int) -> Any:
    """The network with the weights of a file; which of the three it is, where not said, is read off the file."""
    state = {name: value for name, value in _state(path).items() if not name.startswith("aux_classifier.")}
    kind = model or _kind(state)
    if kind is None:
        raise _misfit(path, f"its first entry is {next(iter(state), 'missing')!r}")
    last = state.get("classifier.4.weight")
    if last is not None and last.shape[0] != classes:
        raise MissingWeightsError(
            f"{path} knows {last.shape[0]} classes, and segmentation.classes is {classes}.",
            f"--option segmentation.classes={last.shape[0]}",
        )
    import torch

    with torch.device("meta"):  # no time is spent on weights that are about to be replaced
        network = torchvision.models.get_model(
            NAMES[kind], weights=None, weights_backbone=None, num_classes=classes, aux_loss=False
        )
    wanted = network.state_dict()
    problems = [f"{name} is missing" for name in wanted if name not in state]
    problems += [f"{name} is not part of it" for name in state if name not in wanted]
    problems += [
        f"{name} is {tuple(state[name].shape)} and not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise _misfit(path, f"of {NAMES[kind]}, {problems[0]}{more}")
    network.load_state_dict(state, assign=True)
    return network.float().eval()


def _misfit(path: Path, reason: str) -> MissingWeightsError:
    return MissingWeightsError(
        f"{path} does not hold a DeepLabV3 as torchvision lays it out: {reason}.",
        "Give the state dict of torchvision's deeplabv3_mobilenet_v3_large, deeplabv3_resnet50 or deeplabv3_resnet101, "
        "or a TFLite file.",
    )


def _state(path: Path) -> dict[str, Any]:
    """Name -> tensor; nothing in the file is executed. Raises: MissingWeightsError."""
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise MissingWeightsError(
            f"{path} cannot be read as weights of torch: {lines[0].rstrip('.')}.",
            "Give a state dict as torch.save writes it, holding tensors and nothing else.",
        ) from error
    # Training scripts put the weights beside other things, and their names behind a wrapper's.
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise _misfit(path, f"it holds a {type(content).__name__}")
    return {str(name).removeprefix("module."): value for name, value in content.items() if torch.is_tensor(value)}


def _kind(state: Mapping[str, NDArray[Any]]) -> Model | None:
    """Which network a state dict belongs to."""
    if "backbone.layer1.0.conv1.weight" in state:
        return "resnet101" if "backbone.layer3.6.conv1.weight" in state else "resnet50"
    return "mobilenet" if "backbone.0.0.weight" in state else None
