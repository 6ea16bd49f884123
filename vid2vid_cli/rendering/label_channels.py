"""Condition channels as the output of a label prediction model: one-hot classes, images and IoU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.combine import join_names
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import ImageArray, UInt8Array
from vid2vid_cli.metrics.segmentation import mean_iou

OVERLAY_LEVEL = 255


@dataclass(frozen=True)
class LabelChannels:
    """The meaning of the concatenated channels of all conditioners."""

    class_groups: tuple[tuple[int, int, UInt8Array], ...]
    """First channel, number of classes and colours (n, 3), for each conditioner with classes."""
    other_channels: tuple[int, ...]
    """Channels that are not classes, such as instance edges."""

    def class_maps(self, conditions: Tensor) -> list[Tensor]:
        """(n, c, h, w) -> (n, h, w) per label map: the class with the largest value."""
        return [conditions[:, first : first + count].argmax(1) for first, count, _ in self.class_groups]

    def to_one_hot(self, conditions: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w) with the values -1 and 1, as rendered from label maps."""
        result = torch.where(conditions > 0, 1.0, -1.0)
        for (first, count, _), class_map in zip(self.class_groups, self.class_maps(conditions), strict=True):
            result[:, first : first + count] = F.one_hot(class_map, count).permute(0, 3, 1, 2).float() * 2 - 1
        return result

    def visualize(self, conditions: Tensor) -> ImageArray:
        """(c, h, w) -> (h, w, 3) uint8: classes in their colours, other channels in white over them."""
        image = np.zeros((*conditions.shape[-2:], 3), dtype=np.uint8)
        for (_, _, colours), class_map in zip(self.class_groups, self.class_maps(conditions[None].cpu()), strict=True):
            image = np.maximum(image, colours[class_map[0].numpy()])
        for channel in self.other_channels:
            image[(conditions[channel] > 0).cpu().numpy()] = OVERLAY_LEVEL
        return image

    def measure_iou(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Mean intersection over union in %, (n, c, h, w) twice -> (n,); the mean over all label maps."""
        class_map_pairs = zip(self.class_groups, self.class_maps(prediction), self.class_maps(target), strict=True)
        return 100 * torch.stack([mean_iou(a, b, count) for (_, count, _), a, b in class_map_pairs]).mean(0)


def build_label_channels(conditioners: Sequence[Conditioner]) -> LabelChannels:
    """The meaning of the channels of these conditioners. Raises ConfigError if none of them has label maps."""
    class_groups: list[tuple[int, int, UInt8Array]] = []
    other_channels: list[int] = []
    channel_offset = 0
    for conditioner in conditioners:
        class_channels = conditioner.class_channels()
        colours = {label_class.name: label_class.colour for label_class in conditioner.classes()}
        class_colours = sorted((channel, colours[name]) for name, channel in class_channels.items())
        if class_colours:
            class_groups.append(
                (channel_offset, len(class_colours), np.array([colour for _, colour in class_colours], dtype=np.uint8))
            )
        other_channels += range(channel_offset + len(class_colours), channel_offset + conditioner.num_channels)
        channel_offset += conditioner.num_channels
    if not class_groups:
        names = join_names(conditioners)
        raise ConfigError(
            f"model=predict needs label maps, and {names} has none.",
            "Prepare the video with --conditioner segmentation or labels.",
        )
    return LabelChannels(tuple(class_groups), tuple(other_channels))
