"""Conversion of published weights to the state dict of our generator.

Batch normalisation with running statistics is a scale and an offset per channel, which become part of the convolution
before it; with the statistics of the frame, it stays a layer. Instance normalisation has no weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.engine.published_weights import RUNNING_STATISTICS, check_layers
from vid2vid_cli.translation_import.layers import ConvLayer, PublishedArchitecture

Statistics = Literal["running", "frame"]
NORM_EPS = 1e-5
Weights = Mapping[str, Tensor]


def generator_config(architecture: PublishedArchitecture, statistics: Statistics) -> GeneratorConfig:
    """Config of the equivalent generator."""
    is_unet = architecture.kind == "unet"
    is_folded = architecture.norm == "batch" and statistics == "running"
    return GeneratorConfig(
        kind=architecture.kind,
        past_frames=0,
        flow=False,
        base_channels=architecture.base_channels,
        num_downsamples=architecture.num_blocks if is_unet else 2,
        num_res_blocks=9 if is_unet else architecture.num_blocks,
        norm="none" if is_folded else "batch" if architecture.norm == "batch" else "instance_no_affine",
        upsample="transpose",
        conv_bias=is_unet and (is_folded or architecture.norm == "instance"),
    )


def convert_weights(
    architecture: PublishedArchitecture,
    weights: Weights,
    *,
    expected_shapes: Mapping[str, tuple[int, ...]],
    statistics: Statistics,
    path: Path,
) -> dict[str, Tensor]:
    """Our state dict; `expected_shapes` are those with the published input channels. Raises LayerMismatchError."""
    _check_names(architecture, weights, statistics, path)
    converted: dict[str, Tensor] = {}
    for layer in architecture.layers:
        weight = weights[f"{layer.conv}.weight"].float()
        bias = weights.get(f"{layer.conv}.bias")
        if bias is None:
            bias = torch.zeros(weight.shape[1 if layer.is_transposed else 0])
        bias = bias.float()
        if layer.norm and architecture.norm == "batch":
            gain, offset = (weights[f"{layer.norm}.{name}"].float() for name in ("weight", "bias"))
            if statistics == "running":
                weight, bias = _fold(layer, weight, bias, weights)
            else:
                converted |= {f"{layer.our_norm}.weight": gain, f"{layer.our_norm}.bias": offset}
        converted[f"{layer.our_conv}.weight"] = weight
        if f"{layer.our_conv}.bias" in expected_shapes:
            converted[f"{layer.our_conv}.bias"] = bias
    mismatched = [
        f"{name} ({tuple(value.shape)}, expected {expected_shapes.get(name)})"
        for name, value in converted.items()
        if tuple(value.shape) != expected_shapes.get(name)
    ]
    missing = [name for name in expected_shapes if name not in converted]
    check_layers(path, missing=missing, unexpected=[], mismatched=mismatched)
    return converted


def _fold(layer: ConvLayer, weight: Tensor, bias: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """The convolution with the normalisation after it: weight * s, (bias - mean) * s + offset with s = gain / sd."""
    names = ("weight", "bias", "running_mean", "running_var")
    gain, offset, mean, variance = (weights[f"{layer.norm}.{name}"].double() for name in names)
    scale = gain / (variance + NORM_EPS).sqrt()
    shape = (1, -1, 1, 1) if layer.is_transposed else (-1, 1, 1, 1)
    return (weight * scale.view(shape)).float(), ((bias - mean) * scale + offset).float()


def _check_names(architecture: PublishedArchitecture, weights: Weights, statistics: Statistics, path: Path) -> None:
    required: set[str] = set()
    optional: set[str] = set()
    for layer in architecture.layers:
        required.add(f"{layer.conv}.weight")
        optional.add(f"{layer.conv}.bias")
        if not layer.norm:
            continue
        if architecture.norm == "batch":
            required |= {f"{layer.norm}.weight", f"{layer.norm}.bias"}
            if statistics == "running":
                required |= {f"{layer.norm}.running_mean", f"{layer.norm}.running_var"}
        optional |= {f"{layer.norm}.{name}" for name in RUNNING_STATISTICS}
    if architecture.norm == "instance":  # convolutions have biases unless batch normalisation follows
        required |= {f"{layer.conv}.bias" for layer in architecture.layers}
    check_layers(
        path,
        missing=sorted(required - weights.keys()),
        unexpected=[name for name in weights if name not in required | optional],
        mismatched=[],
    )
