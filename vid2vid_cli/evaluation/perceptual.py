"""The perceptual distance as a metric, by a network that the model was not trained with if one is there."""

from __future__ import annotations

from collections.abc import Collection
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
MAX_PIXELS_AT_ONCE = 1 << 16
"""Pixels of the images that the network gets at once; small images take most of their time for its calls."""
MAX_CACHED_BYTES = 1 << 29
"""Memory for the features of the real frames of a clip; those of further frames are computed for each row again."""


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


class DistanceToClip:
    """The distance from the frames of a clip, whose features are computed once as far as memory allows."""

    def __init__(self, metric: PerceptualMetric, targets: Tensor) -> None:
        """`targets` (t, 3, h, w) in [-1, 1]."""
        self.name = metric.name
        self._metric, self._targets = metric, targets
        self._features: dict[int, list[Tensor]] = {}
        self._num_cached_bytes = 0

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Images (t', 3, h, w) in [-1, 1] of the last t' frames -> (t',)."""
        first = len(self._targets) - len(images)
        num_at_once = max(1, MAX_PIXELS_AT_ONCE // (images.shape[-2] * images.shape[-1]))
        distances = []
        for start in range(0, len(images), num_at_once):
            some_images = images[start : start + num_at_once].to(self._metric.device)
            targets = [self._load(first + start + index) for index in range(len(some_images))]
            target_features = [torch.cat(layer) for layer in zip(*targets, strict=True)]
            distances.append(self._metric.loss.distance_to_features(some_images, target_features))
        return torch.cat(distances).cpu()

    def _load(self, index: int) -> list[Tensor]:
        if index in self._features:
            return self._features[index]
        features = list(self._metric.loss.features(self._targets[index : index + 1].to(self._metric.device)))
        num_bytes = sum(layer.nbytes for layer in features)
        if self._num_cached_bytes + num_bytes <= MAX_CACHED_BYTES:
            self._features[index] = features
            self._num_cached_bytes += num_bytes
        return features


def choose_perceptual_metric(
    trained_with: Collection[str], device: torch.device, emit: EventHandler
) -> tuple[PerceptualMetric | None, dict[str, str]]:
    """The metric by a network whose weights are on this machine, or None and PERCEPTUAL_DISTANCE -> reason and command.

    Nothing is downloaded. `trained_with`: the networks of the trainings' perceptual losses, which are used only if
    there is no other, with an InfoEvent. Without a preference: EfficientNet-Lite0 on a CPU, because VGG19 is slow
    there, otherwise VGG19.
    """
    names: list[PerceptualNetworkName] = list(get_args(PerceptualNetworkName))  # VGG19 first
    names.sort(key=lambda name: (name in trained_with, device.type == "cpu" and name == "vgg19"))
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
        if name in trained_with:
            emit(InfoEvent(f"{METRIC_NAMES[name]}: a model was trained with the same network, which favours it"))
        return PerceptualMetric(METRIC_NAMES[name], loss, device), {}
    return None, {PERCEPTUAL_DISTANCE: f"no network is installed. {' Or: '.join(problems)}"}
