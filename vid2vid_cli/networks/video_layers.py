"""Layers of video prediction: convolutional LSTM, and transformations of an image that the network predicts."""

from __future__ import annotations

import math

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


def norm_conv(in_channels: int, out_channels: int, kernel_size: int, *, has_pooling: bool = False) -> nn.Sequential:
    """Convolution, 2x2 average pooling if requested, instance normalisation."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    pooling = [nn.AvgPool2d(2)] if has_pooling else []
    return nn.Sequential(conv, *pooling, instance_norm(out_channels))


def norm_conv_relu(channels: int) -> nn.Sequential:
    """3x3 convolution, instance normalisation, ReLU."""
    return nn.Sequential(*norm_conv(channels, channels, 3), nn.ReLU())


def modulate(features: Tensor, scale_and_shift: Tensor | None) -> Tensor:
    """Scale and shift feature maps (b, c, h, w) by (b, 2c, 1, 1)."""
    if scale_and_shift is None:
        return features
    scale, shift = scale_and_shift.chunk(2, 1)
    return features * (1 + scale) + shift


def append_latent(features: Tensor, code: Tensor | None) -> Tensor:
    """Tile a latent (b, z) and append it to feature maps (b, c, h, w)."""
    if code is None:
        return features
    return torch.cat([features, code[:, :, None, None].expand(-1, -1, *features.shape[-2:]).to(features.dtype)], 1)


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

    def forward(self, features: Tensor, state: LSTMState | None, gate_shift: Tensor | None = None) -> LSTMState:
        """(b, c, h, w) and the state of the frame before, None for the first frame of a clip -> the new state.

        `gate_shift` (b, 4 channels, 1, 1) is added to the normalised gates.
        """
        if state is None:
            zeros = features.new_zeros(len(features), self.channels, *features.shape[-2:])
            state = zeros, zeros
        hidden, cell = state
        gates = self.gate_norm(self.gates(torch.cat([features, hidden], 1)))
        if gate_shift is not None:
            gates = gates + gate_shift
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


@torch.no_grad()
def init_weights(network: nn.Module) -> None:
    """Normal distribution with deviation 0.02, cut at 0.04; biases zero, as published; the LSTM as in TensorFlow."""
    limit = math.erf(math.sqrt(2))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.uniform_(-limit, limit).erfinv_().mul_(0.02 * math.sqrt(2))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LSTMCell):
            for weight in module.parameters():
                nn.init.zeros_(weight) if weight.ndim == 1 else nn.init.xavier_uniform_(weight)
            module.bias_hh[module.hidden_size : 2 * module.hidden_size] = 1  # the forget gate
