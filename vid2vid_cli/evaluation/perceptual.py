"""The perceptual distance as a metric, by a network that the model was not trained with if one is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from vid2vid_cli.core.errors import MissingWeightsError
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.media.published_weights import fetch_command, find_weight_file
from vid2vid_cli.networks.perceptual import (
    METRIC_NAMES,
    PERCEPTUAL_WEIGHTS,
    PerceptualLoss,
    PerceptualNetworkName,
    load_perceptual_loss,
)

PERCEPTUAL_DISTANCE = "perceptual_distance"
"""Name of the metric where it could not be computed, because no network determines its full name."""


@dataclass(frozen=True)
class PerceptualMetric:
    """The distance between images by one network; lower is better."""

    name: str
    """With network and layers."""
    loss: PerceptualLoss
    device: torch.device

    def __call__(self, images: Tensor, targets: Tensor) -> Tensor:
        """(b, 3, h, w) twice in [-1, 1] -> (b,), one image at a time, because the features need much memory."""
        distances = [
            self.loss.distance(*(x[None].to(self.device) for x in pair)) for pair in zip(images, targets, strict=True)
        ]
        return torch.cat(distances).cpu()


def choose_perceptual_metric(
    trained_with: str, device: torch.device, emit: EventHandler
) -> tuple[PerceptualMetric | None, dict[str, str]]:
    """The metric by a network whose weights are on this machine, or None and PERCEPTUAL_DISTANCE -> reason and command.

    Nothing is downloaded. `trained_with`: the network of the training's perceptual loss, which is used only if there is
    no other, with an InfoEvent; "" if there was none. Without a preference: EfficientNet-Lite0 on a CPU, because VGG19
    is slow there, otherwise VGG19.
    """
    names: list[PerceptualNetworkName] = list(get_args(PerceptualNetworkName))  # VGG19 first
    names.sort(key=lambda name: (name == trained_with, device.type == "cpu" and name == "vgg19"))
    problems = []
    for name in names:
        file = PERCEPTUAL_WEIGHTS[name]
        path = find_weight_file(file)
        if path is None:
            problems.append(fetch_command(file) if file.url else file.source)
            continue
        try:
            loss = load_perceptual_loss(name, path).to(device)
        except MissingWeightsError as error:
            problems.append(f"{error.message} {error.hint}")
            continue
        if name == trained_with:
            emit(InfoEvent(f"{METRIC_NAMES[name]}: the model was trained with the same network, which favours it"))
        return PerceptualMetric(METRIC_NAMES[name], loss, device), {}
    return None, {PERCEPTUAL_DISTANCE: f"no network is installed. {' Or: '.join(problems)}"}
