"""The first blocks of EfficientNet-Lite0, as a feature extractor for the perceptual distance."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

STEM_CHANNELS = 32
BATCH_NORM_EPS = 1e-3


class Stage(NamedTuple):
    """Blocks of one resolution; only the first has the stride."""

    num_blocks: int
    kernel_size: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
"""Tan and Le, ICML 2019, table 1 (EfficientNet-B0), which Lite0 shares, without squeeze-and-excitation."""


class SameConv2d(nn.Conv2d):
    """A convolution without bias whose output has ceil(size / stride) pixels, padded as in TensorFlow ("SAME").

    An odd padding has its additional row and column at the bottom and on the right.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, ceil(h / stride), ceil(w / stride))."""
        kernel_size, stride = self.kernel_size[0], self.stride[0]
        height, width = (
            max((-(-side // stride) - 1) * stride + kernel_size - side, 0) for side in (x.shape[-2], x.shape[-1])
        )
        padding = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(F.pad(x, padding) if any(padding) else x)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and linear projection (Sandler et al., CVPR 2018), with ReLU6.

    The attributes have the names of the published state dict.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int, expansion: int) -> None:
        super().__init__()
        channels = in_channels * expansion
        self.has_expansion, self.has_skip = expansion > 1, stride == 1 and in_channels == out_channels
        if self.has_expansion:
            self._expand_conv = SameConv2d(in_channels, channels, 1)
            self._bn0 = nn.BatchNorm2d(channels, BATCH_NORM_EPS)
        self._depthwise_conv = SameConv2d(channels, channels, kernel_size, stride, groups=channels)
        self._bn1 = nn.BatchNorm2d(channels, BATCH_NORM_EPS)
        self._project_conv = SameConv2d(channels, out_channels, 1)
        self._bn2 = nn.BatchNorm2d(out_channels, BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, ceil(h / stride), ceil(w / stride))."""
        expanded = F.relu6(self._bn0(self._expand_conv(x))) if self.has_expansion else x
        y = F.relu6(self._bn1(self._depthwise_conv(expanded)))
        projected: Tensor = self._bn2(self._project_conv(y))
        return x + projected if self.has_skip else projected


class EfficientNetLite0(nn.Module):
    """The stem and the first blocks of EfficientNet-Lite0. Weights: those of the published state dict."""

    def __init__(self, num_blocks: int) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, stride=2)
        self._bn0 = nn.BatchNorm2d(STEM_CHANNELS, BATCH_NORM_EPS)
        blocks, in_channels = [], STEM_CHANNELS
        for stage in STAGES:
            for index in range(stage.num_blocks):
                blocks.append(
                    InvertedResidual(
                        in_channels,
                        stage.channels,
                        kernel_size=stage.kernel_size,
                        stride=stage.stride if index == 0 else 1,
                        expansion=stage.expansion,
                    )
                )
                in_channels = stage.channels
        self._blocks = nn.ModuleList(blocks[:num_blocks])

    def forward(self, image: Tensor) -> list[Tensor]:
        """(b, 3, h, w) -> features of the stem and of each block."""
        features = [F.relu6(self._bn0(self._conv_stem(image)))]
        for block in self._blocks:
            features.append(block(features[-1]))
        return features
