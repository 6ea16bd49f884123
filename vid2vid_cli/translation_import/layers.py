"""Layer positions of the published generators of pix2pix and CycleGAN, and our name of each layer.

The published state dicts count all layers of an nn.Sequential, also padding, activations and dropout, which shift the
positions of later layers. The U-Net is nested: each level contains the next one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from vid2vid_cli.core.errors import ForeignCheckpointError

Weights = Mapping[str, Tensor]
FIRST_LAYER = {"resnet": "model.1", "unet": "model.model.0"}
NUM_RESNET_DOWNSAMPLES = 2


@dataclass(frozen=True)
class ConvLayer:
    """A convolution and the normalisation after it, by published name and by ours; "" if there is no normalisation."""

    conv: str
    norm: str
    our_conv: str
    our_norm: str
    is_transposed: bool = False


@dataclass(frozen=True)
class PublishedArchitecture:
    """Architecture of a generator, inferred from the names and shapes of its weights."""

    kind: Literal["resnet", "unet"]
    norm: Literal["instance", "batch"]
    in_channels: int
    base_channels: int
    num_blocks: int
    """Residual blocks, or levels of the U-Net."""
    layers: tuple[ConvLayer, ...]


def read_architecture(weights: Weights, path: Path) -> PublishedArchitecture:
    """Infer the architecture of a generator. Raises ForeignCheckpointError for another network."""
    kind: Literal["resnet", "unet"] = "unet" if FIRST_LAYER["unet"] + ".weight" in weights else "resnet"
    first = weights.get(FIRST_LAYER[kind] + ".weight")
    if first is None or first.ndim != 4:
        raise ForeignCheckpointError(
            f"{path} is not a generator of pix2pix or CycleGAN: {_describe_network(weights)}.",
            "Give a file such as latest_net_G.pth or latest_net_G_A.pth. For NVIDIA's vid2vid: vid2vid import nvidia",
        )
    layers = resnet_layers(weights) if kind == "resnet" else unet_layers(_count_levels(weights))
    num_blocks = _count_blocks(weights) if kind == "resnet" else _count_levels(weights)
    has_affine_norm = any(f"{layer.norm}.weight" in weights for layer in layers if layer.norm)
    norm: Literal["instance", "batch"] = "batch" if has_affine_norm else "instance"
    return PublishedArchitecture(kind, norm, first.shape[1], first.shape[0], num_blocks, tuple(layers))


def resnet_layers(weights: Weights) -> list[ConvLayer]:
    """c7s1, d, d, R x n, u, u, c7s1; dropout in the residual blocks moves the second convolution by one."""
    num_blocks = _count_blocks(weights)
    second = 6 if _is_conv(weights, "model.10.conv_block.6.weight") else 5
    layers = [ConvLayer(f"model.{i}", f"model.{i + 1}", f"encoder.{n}.0", f"encoder.{n}.1") for n, i in _STEM]
    for block in range(num_blocks):
        for position, ours in ((1, 0), (second, 3)):
            prefix, our_prefix = f"model.{10 + block}.conv_block", f"encoder.{3 + block}.body"
            names = (f"{prefix}.{position}", f"{prefix}.{position + 1}")
            layers.append(ConvLayer(*names, f"{our_prefix}.{ours}", f"{our_prefix}.{ours + 1}"))
    for level in range(NUM_RESNET_DOWNSAMPLES):
        index = 10 + num_blocks + 3 * level
        our_names = (f"decoder.{level}.0", f"decoder.{level}.1")
        layers.append(ConvLayer(f"model.{index}", f"model.{index + 1}", *our_names, is_transposed=True))
    return [*layers, ConvLayer(f"model.{17 + num_blocks}", "", "head", "")]


_STEM = tuple(enumerate((1, 4, 7)))


def unet_layers(num_levels: int) -> list[ConvLayer]:
    """The levels from the outermost; dropout is the last layer of a level and moves nothing."""
    layers = [
        ConvLayer("model.model.0", "", "down.0.0", ""),
        ConvLayer("model.model.3", "", "head.1", "", is_transposed=True),
    ]
    prefix = "model.model.1.model"
    for level in range(1, num_levels):
        is_innermost = level == num_levels - 1
        up, our_up = (3 if is_innermost else 5), f"up.{num_levels - 1 - level}"
        down_norms = ("", "") if is_innermost else (f"{prefix}.2", f"down.{level}.2")
        layers.append(ConvLayer(f"{prefix}.1", down_norms[0], f"down.{level}.1", down_norms[1]))
        layers.append(ConvLayer(f"{prefix}.{up}", f"{prefix}.{up + 1}", f"{our_up}.1", f"{our_up}.2", True))
        prefix += ".3.model"
    return layers


def _count_blocks(weights: Weights) -> int:
    return sum(bool(re.fullmatch(r"model\.\d+\.conv_block\.1\.weight", name)) for name in weights)


def _count_levels(weights: Weights) -> int:
    levels = [
        name.count("model.") - 1 for name in weights if re.fullmatch(r"model\.model\.(\d\.model\.)*1\.weight", name)
    ]
    return max(levels, default=1)


def _is_conv(weights: Weights, name: str) -> bool:
    return name in weights and weights[name].ndim == 4


def _describe_network(weights: Weights) -> str:
    if _is_conv(weights, "model.0.weight") or any(name.startswith("scale") for name in weights):
        return "its first layers are those of a discriminator"
    if any(name.startswith(("model_down_seg", "model1_1")) for name in weights):
        return "it is a generator of NVIDIA's vid2vid"
    return f"it has {', '.join(list(weights)[:3])}"
