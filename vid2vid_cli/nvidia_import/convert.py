"""Published weights as ours: the same numbers under our names, and first layers that take our conditions.

Every convolution has a bias, every norm of the video generators gain and bias: BatchNorm with the statistics of the one
frame, which the published program takes at synthesis too (biased variance, eps 1e-5). Those of single images have
InstanceNorm without either: the same with a gain of 1 and a bias of 0.

A bias that a norm takes off again is written as 0. Of frames that are all grey, which pose begins with, nothing else is
left after a convolution, and what the norm makes of its rounding is a picture of noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.types import ConditionLayout
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import Weights
from vid2vid_cli.nvidia_import.architecture import Architecture, check_layers

STEMS = ("condition_encoder.0.0", "foreground_encoder.0.0")
"""Our layers that see the condition."""


@dataclass(frozen=True)
class Channels:
    """How published condition channels are made of ours."""

    places: tuple[int, ...]
    """For each published channel, which of ours it is."""
    ours: int
    """How many we give; those that no place names are not looked at."""
    zero_to_one: bool
    """Whether the published ones lie in [0, 1]; ours are in [-1, 1], and are brought there."""


def convert(
    architecture: Architecture,
    config: GeneratorConfig,
    channels: Channels,
    found: Sequence[Weights],
    files: Sequence[Path],
) -> dict[str, Tensor]:
    """The weights of our generator by name, from those of the published scales. Raises LayersError."""
    layout = ConditionLayout(channels.ours, (0,) if config.foreground else ())
    with torch.device("meta"):
        wanted = {name: tuple(value.shape) for name, value in build_generator(config, layout).state_dict().items()}
    made: dict[str, Tensor] = {}
    parts = _by_scale(architecture, found)
    for scale, (layers, weights) in enumerate(zip(architecture.layers(), parts, strict=True)):
        path = files[min(scale, len(files) - 1)]
        own = {name: shape for name, shape in wanted.items() if name.startswith(f"networks.{scale}.")}
        made |= _one_scale(f"networks.{scale}", architecture, layers, weights, own, channels, path)
    for name, shape in wanted.items():
        if name not in made:  # only the head of a coarse scale whose picture nobody sees
            assert architecture.single, name
            made[name] = torch.zeros(shape)
    return made


def _by_scale(architecture: Architecture, found: Sequence[Weights]) -> Sequence[Weights]:
    """The weights of each scale; a local enhancer lies in one file with what it enhances."""
    if not architecture.single or architecture.scales == 1:
        return found
    whole = found[0]
    finer = {name: value for name, value in whole.items() if name.startswith("model1_")}
    return [{name: value for name, value in whole.items() if name not in finer}, finer]


def _one_scale(
    prefix: str,
    architecture: Architecture,
    layers: dict[str, str],
    weights: Weights,
    wanted: dict[str, tuple[int, ...]],
    channels: Channels,
    path: Path,
) -> dict[str, Tensor]:
    frames = architecture.past + 1
    made: dict[str, Tensor] = {}
    missing: list[str] = []
    other: list[str] = []
    taken: set[str] = set()
    for theirs, ours in layers.items():
        for kind in ("weight", "bias"):
            name, shape = f"{theirs}.{kind}", wanted[f"{prefix}.{ours}.{kind}"]
            if not architecture.affine and len(wanted[f"{prefix}.{ours}.weight"]) == 1:
                made[f"{prefix}.{ours}.{kind}"] = torch.full(shape, float(kind == "weight"))
                continue
            if ours in STEMS and kind == "weight":
                shape = (shape[0], frames * len(channels.places), *shape[2:])
            taken.add(name)
            value = weights.get(name)
            if value is None:
                missing.append(name)
            elif tuple(value.shape) != shape:
                other.append(other_shape(name, value, shape))
            elif kind == "bias" and len(wanted[f"{prefix}.{ours}.weight"]) == 4 and not ours.endswith("_head"):
                made[f"{prefix}.{ours}.{kind}"] = torch.zeros(shape)
            else:
                made[f"{prefix}.{ours}.{kind}"] = value.float()
    check_layers(path, missing, [name for name in weights if name not in taken], other)
    for stem in (f"{prefix}.{name}.weight" for name in STEMS):
        if stem in made:
            made[stem] = for_our_channels(made[stem], channels, frames)
    return made


def for_our_channels(weight: Tensor, channels: Channels, frames: int) -> Tensor:
    """A first convolution (o, frames * published, k, k) that takes our channels, (o, frames * ours, k, k)."""
    outside, _, *kernel = weight.shape
    theirs = weight.reshape(outside, frames, len(channels.places), *kernel)
    ours = theirs.new_zeros(outside, frames, channels.ours, *kernel)
    ours[:, :, list(channels.places)] = theirs
    return ours.flatten(1, 2)


def other_shape(name: str, value: Tensor, wanted: Sequence[int]) -> str:
    """For people: `model.1.weight 9, for 16`."""
    return f"{name} {_size(value.shape)}, for {_size(wanted)}"


def _size(shape: Sequence[int]) -> str:
    return "x".join(str(length) for length in shape)
