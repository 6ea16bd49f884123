"""Condition channels as what a model draws: which of them are classes, made sure of, and as pictures for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.combine import names_of
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.metrics.segmentation import mean_iou

WHITE = 255


@dataclass(frozen=True)
class Planes:
    """The channels of one conditioner after the other: of label maps one for each class, perhaps more."""

    groups: tuple[tuple[int, int, NDArray[np.uint8]], ...]
    """First channel, number of classes, colours (n, 3); for each conditioner with classes."""
    others: tuple[int, ...]
    """Channels that are no class, such as outlines of instances."""

    def classes(self, planes: Tensor) -> list[Tensor]:
        """(n, c, h, w) -> for each label map (n, h, w), the number of the likeliest class."""
        return [planes[:, first : first + count].argmax(1) for first, count, _ in self.groups]

    def certain(self, planes: Tensor) -> Tensor:
        """The same, -1 and 1 alone, as label maps that were never predicted, (n, c, h, w)."""
        result = torch.where(planes > 0, 1.0, -1.0)
        for (first, count, _), found in zip(self.groups, self.classes(planes), strict=True):
            result[:, first : first + count] = F.one_hot(found, count).permute(0, 3, 1, 2).float() * 2 - 1
        return result

    def picture(self, planes: Tensor) -> NDArray[np.uint8]:
        """(c, h, w) -> (h, w, 3): classes in their colours, all else white over them."""
        canvas = np.zeros((*planes.shape[-2:], 3), dtype=np.uint8)
        for (_, _, colours), found in zip(self.groups, self.classes(planes[None].cpu()), strict=True):
            canvas = np.maximum(canvas, colours[found[0].numpy()])
        for channel in self.others:
            canvas[(planes[channel] > 0).cpu().numpy()] = WHITE
        return canvas

    def overlap(self, found: Tensor, wanted: Tensor) -> Tensor:
        """Mean intersection over union in %, (n, c, h, w) twice -> (n,); the mean of all label maps."""
        each = zip(self.groups, self.classes(found), self.classes(wanted), strict=True)
        return 100 * torch.stack([mean_iou(a, b, count) for (_, count, _), a, b in each]).mean(0)


def planes_of(conditioners: Sequence[Conditioner]) -> Planes:
    """How the channels of conditioners are to be read. Raises ConfigError where none of them draws label maps."""
    groups: list[tuple[int, int, NDArray[np.uint8]]] = []
    others: list[int] = []
    below = 0
    for conditioner in conditioners:
        channels = conditioner.class_channels()
        colours = {one.name: one.colour for one in conditioner.classes()}
        named = sorted((channel, colours[name]) for name, channel in channels.items())
        if named:
            groups.append((below, len(named), np.array([colour for _, colour in named], dtype=np.uint8)))
        others += range(below + len(named), below + conditioner.channels)
        below += conditioner.channels
    if not groups:
        names = names_of(conditioners)
        raise ConfigError(
            f"model=predict goes on with label maps, and {names} draws none.",
            "Prepare the video with --conditioner segmentation or labels.",
        )
    return Planes(tuple(groups), tuple(others))
