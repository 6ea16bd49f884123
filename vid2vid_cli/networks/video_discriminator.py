"""The video discriminator of SAVP: 3-D convolutions with spectral normalisation (Miyato et al., ICLR 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

HEAD_CELLS = (4, 8, 8)
"""Cells in time, height and width at the last layer: those of 10 frames of 64 pixels. Others are averaged to them."""


class VideoDiscriminator(nn.Module):
    """One logit per clip, and the features of all layers."""

    def __init__(self, base_channels: int = 32) -> None:
        super().__init__()
        c = base_channels
        self.layers = nn.ModuleList(
            [
                _conv(3, c, 3, stride=1),
                _conv(c, 2 * c, 4, stride=(1, 2, 2)),
                _conv(2 * c, 2 * c, 3, stride=1),
                _conv(2 * c, 4 * c, 4, stride=(1, 2, 2)),
                _conv(4 * c, 4 * c, 3, stride=1),
                _conv(4 * c, 8 * c, 4, stride=2),
                _conv(8 * c, 8 * c, 3, stride=1),
            ]
        )
        num_cells = HEAD_CELLS[0] * HEAD_CELLS[1] * HEAD_CELLS[2]
        self.head = spectral_norm(nn.Linear(8 * c * num_cells, 1))

    def forward(self, clip: Tensor) -> list[Tensor]:
        """(b, t, 3, h, w) in [-1, 1], t >= 4, sides >= 8 -> features (b, c, t', h', w') per layer, logits (b, 1)."""
        outputs = [clip.transpose(1, 2)]
        for layer in self.layers:
            outputs.append(F.leaky_relu(_convolve(layer, outputs[-1]), 0.1))
        cells = F.adaptive_avg_pool3d(outputs[-1], HEAD_CELLS)
        return [*outputs[1:], self.head(cells.flatten(1))]


def _conv(in_channels: int, out_channels: int, kernel_size: int, stride: int | tuple[int, int, int]) -> nn.Module:
    conv = nn.Conv3d(in_channels, out_channels, kernel_size, stride, padding=1)
    return spectral_norm(conv)


def _convolve(conv: nn.Module, features: Tensor) -> Tensor:
    """The convolution, in fp32 on a CPU if its kernel spans more frames than there are.

    oneDNN (torch 2.14) reads uninitialised memory for the weight gradient of such a convolution in bf16, as with 2
    frames and a kernel of 3: it differs from run to run, and is sometimes NaN.
    """
    assert isinstance(conv, nn.Conv3d)
    if features.device.type != "cpu" or features.shape[2] >= conv.kernel_size[0]:
        result: Tensor = conv(features)
        return result
    with torch.autocast("cpu", enabled=False):
        result = conv(features.float())
    return result
