"""Layers of video prediction: convolutional LSTM, and transformations of an image that the network predicts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.networks.blocks import InstanceNorm
from vid2vid_cli.ops.warp import warp

NORM_EPS = 1e-6
CDNA_KERNEL_SIZE = 5
CDNA_CELLS = 8
"""Cells per side of the features that the kernels are computed from: those of 64 pixels after three halvings. Other
sizes are averaged to them, so that the layer does not grow with the image."""
MIN_KERNEL_VALUE = 1e-12
LSTMState = tuple[Tensor, Tensor]
"""Output and cell of an LSTM."""


def instance_norm(channels: int) -> InstanceNorm:
    """Affine instance normalisation, as in SAVP."""
    return InstanceNorm(channels, channels, eps=NORM_EPS)


class ConvLSTM(nn.Module):
    """Convolutional LSTM (Shi et al., NIPS 2015) with instance normalisation of the gates and of the cell.

    c = norm(c * sigmoid(f + 1) + sigmoid(i) * tanh(j)), h = sigmoid(o) * tanh(c)
    """

    def __init__(self, in_channels: int, channels: int, kernel_size: int = 5) -> None:
        super().__init__()
        self.channels = channels
        self.gates = nn.Conv2d(in_channels + channels, 4 * channels, kernel_size, padding=kernel_size // 2, bias=False)
        self.gate_norm = instance_norm(4 * channels)
        self.cell_norm = instance_norm(channels)

    def forward(self, features: Tensor, state: LSTMState | None) -> LSTMState:
        """(b, c, h, w) and the state of the frame before, None for the first frame of a clip -> the new state."""
        if state is None:
            zeros = features.new_zeros(len(features), self.channels, *features.shape[-2:])
            state = zeros, zeros
        hidden, cell = state
        gates = self.gate_norm(self.gates(torch.cat([features, hidden], 1)))
        input_gate, candidate, forget_gate, output_gate = gates.chunk(4, 1)
        cell = cell * torch.sigmoid(forget_gate + 1) + torch.sigmoid(input_gate) * torch.tanh(candidate)
        cell = self.cell_norm(cell)
        return torch.sigmoid(output_gate) * torch.tanh(cell), cell


class CDNATransform(nn.Module):
    """Convolutional dynamic neural advection (Finn et al., NIPS 2016): kernels per image, each a sum of pixel shifts.

    The network predicts the difference to the identity; kernels are non-negative and have the sum 1.
    """

    def __init__(self, in_channels: int, num_images: int) -> None:
        super().__init__()
        self.num_images = num_images
        self.kernels = nn.Linear(in_channels * CDNA_CELLS**2, num_images * CDNA_KERNEL_SIZE**2)

    def forward(self, image: Tensor, bottleneck: Tensor) -> Tensor:
        """(b, 3, h, w), (b, c, h', w') -> the transformed images (b, n, 3, h, w)."""
        cells = F.adaptive_avg_pool2d(bottleneck, CDNA_CELLS)
        kernels = self.kernels(cells.flatten(1)).float().view(len(image), self.num_images, -1)
        identity = torch.zeros_like(kernels[0, 0])
        identity[CDNA_KERNEL_SIZE**2 // 2] = 1
        kernels = F.relu(kernels + identity - MIN_KERNEL_VALUE) + MIN_KERNEL_VALUE
        kernels = kernels / kernels.sum(-1, keepdim=True)
        return apply_kernels(image, kernels.view(*kernels.shape[:2], CDNA_KERNEL_SIZE, CDNA_KERNEL_SIZE))


def apply_kernels(image: Tensor, kernels: Tensor) -> Tensor:
    """Correlate each image with its own kernels, (b, c, h, w), (b, n, k, k) -> (b, n, c, h, w), symmetric padding."""
    num_kernels, size = kernels.shape[1:3]
    padded = pad_symmetric(image, size // 2)
    # The samples are the groups, and the colour channels the batch: all channels have the same kernels.
    result = F.conv2d(padded.transpose(0, 1), kernels.flatten(0, 1)[:, None].to(image.dtype), groups=len(image))
    return result.view(len(result), len(image), num_kernels, *image.shape[-2:]).permute(1, 2, 0, 3, 4)


def pad_symmetric(image: Tensor, padding: int) -> Tensor:
    """Pad by mirroring, border pixels included: (b, c, h, w) -> (b, c, h + 2 padding, w + 2 padding)."""
    for axis in (2, 3):
        first = image.narrow(axis, 0, padding).flip(axis)
        last = image.narrow(axis, image.shape[axis] - padding, padding).flip(axis)
        image = torch.cat([first, image, last], axis)
    return image


class FlowTransform(nn.Module):
    """Backward warping by several predicted flows, in pixels."""

    def __init__(self, in_channels: int, num_images: int) -> None:
        super().__init__()
        self.flows = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, padding=1, bias=False),
            instance_norm(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, 2 * num_images, 3, padding=1),
        )

    def forward(self, image: Tensor, features: Tensor) -> Tensor:
        """(b, 3, h, w), (b, c, h, w) -> the warped images (b, n, 3, h, w)."""
        flows = self.flows(features)
        return torch.stack([warp(image, flow) for flow in flows.split(2, 1)], 1)
