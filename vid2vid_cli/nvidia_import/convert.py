"""Conversion of published weights: same values under our names, with first layers remapped to our condition channels.

All convolutions have biases. Video generators have BatchNorm with weight and bias, which the published program applies
with the statistics of the current frame in synthesis too (biased variance, eps 1e-5). Image generators have
InstanceNorm without parameters, which equals weight 1 and bias 0.

The bias of a convolution before a normalisation has no effect in exact arithmetic and is written as 0. For the constant
grey frames at the start of pose synthesis, the output of a convolution is only its bias, and the normalisation would
amplify the rounding error to noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.config.generator import ConditionRange, GeneratorConfig
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.published_weights import check_layers
from vid2vid_cli.engine.weight_files import Weights
from vid2vid_cli.nvidia_import.architecture import Architecture

STEM_LAYERS = ("condition_encoder.0.0", "foreground_encoder.0.0")
"""Our layers whose input is the conditions."""


@dataclass(frozen=True)
class ChannelMapping:
    """Mapping of published condition channels to ours."""

    indices: tuple[int, ...]
    """Our channel for each published channel."""
    num_channels: int
    """Number of our channels. Weights of channels that are not in `indices` are 0."""
    condition_range: ConditionRange
    """Range of the published conditions. Ours are in [-1, 1], and networks rescale them."""


def convert_weights(
    architecture: Architecture,
    config: GeneratorConfig,
    *,
    channel_mapping: ChannelMapping,
    scale_weights: Sequence[Weights],
    paths: Sequence[Path],
) -> dict[str, Tensor]:
    """Convert the weights of all published scales to the state dict of our generator. Raises LayerMismatchError."""
    condition_spec = ConditionSpec(channel_mapping.num_channels, (0,) if config.foreground_classes else ())
    with torch.device("meta"):
        expected_shapes = {
            name: tuple(value.shape) for name, value in build_generator(config, condition_spec).state_dict().items()
        }
    converted: dict[str, Tensor] = {}
    weights_by_scale = _split_by_scale(architecture, scale_weights)
    for scale, (layer_map, weights) in enumerate(zip(architecture.layer_maps(), weights_by_scale, strict=True)):
        prefix = f"scale_networks.{scale}."
        scale_weights_by_name = _convert_scale(
            layer_map,
            weights,
            {name.removeprefix(prefix): s for name, s in expected_shapes.items() if name.startswith(prefix)},
            architecture=architecture,
            channel_mapping=channel_mapping,
            path=paths[min(scale, len(paths) - 1)],
        )
        converted |= {f"{prefix}{name}": value for name, value in scale_weights_by_name.items()}
    for name, shape in expected_shapes.items():
        if name not in converted:  # the image head of a coarse scale, which the image generator does not use
            assert architecture.is_image_generator, name
            converted[name] = torch.zeros(shape)
    return converted


def _split_by_scale(architecture: Architecture, scale_weights: Sequence[Weights]) -> Sequence[Weights]:
    """The weights of each scale. The file of an image generator contains the global network and its enhancer."""
    if not architecture.is_image_generator or architecture.num_scales == 1:
        return scale_weights
    combined = scale_weights[0]
    enhancer_weights = {name: value for name, value in combined.items() if name.startswith("model1_")}
    return [{name: value for name, value in combined.items() if name not in enhancer_weights}, enhancer_weights]


def _convert_scale(
    layer_map: Mapping[str, str],
    weights: Weights,
    expected_shapes: Mapping[str, tuple[int, ...]],
    *,
    architecture: Architecture,
    channel_mapping: ChannelMapping,
    path: Path,
) -> dict[str, Tensor]:
    """The state dict of one `ScaleNetwork`, whose parameters have `expected_shapes`. Raises LayerMismatchError."""
    num_frames = architecture.past_frames + 1
    converted: dict[str, Tensor] = {}
    missing: list[str] = []
    mismatched: list[str] = []
    used_names: set[str] = set()
    for published_layer, our_layer in layer_map.items():
        is_norm = len(expected_shapes[f"{our_layer}.weight"]) == 1
        for parameter in ("weight", "bias"):
            published_name, our_name = f"{published_layer}.{parameter}", f"{our_layer}.{parameter}"
            shape = expected_shapes[our_name]
            if is_norm and not architecture.has_affine_norm:
                converted[our_name] = torch.full(shape, float(parameter == "weight"))
                continue
            if our_layer in STEM_LAYERS and parameter == "weight":
                shape = (shape[0], num_frames * len(channel_mapping.indices), *shape[2:])
            used_names.add(published_name)
            value = weights.get(published_name)
            if value is None:
                missing.append(published_name)
            elif tuple(value.shape) != shape:
                mismatched.append(describe_shape_mismatch(published_name, value, shape))
            elif parameter == "bias" and not is_norm and not our_layer.endswith("_head"):
                converted[our_name] = torch.zeros(shape)
            else:
                converted[our_name] = value.float()
    unexpected = [name for name in weights if name not in used_names]
    check_layers(path, missing=missing, unexpected=unexpected, mismatched=mismatched)
    for stem in (f"{layer}.weight" for layer in STEM_LAYERS):
        if stem in converted:
            converted[stem] = remap_input_channels(converted[stem], channel_mapping, num_frames)
    return converted


def remap_input_channels(weight: Tensor, channel_mapping: ChannelMapping, num_frames: int) -> Tensor:
    """Remap a first convolution (o, frames * published, k, k) to our channels, (o, frames * ours, k, k)."""
    out_channels, _, *kernel_shape = weight.shape
    published_weight = weight.reshape(out_channels, num_frames, len(channel_mapping.indices), *kernel_shape)
    remapped = published_weight.new_zeros(out_channels, num_frames, channel_mapping.num_channels, *kernel_shape)
    remapped[:, :, list(channel_mapping.indices)] = published_weight
    return remapped.flatten(1, 2)


def describe_shape_mismatch(name: str, value: Tensor, expected_shape: Sequence[int]) -> str:
    """Text such as `model.1.weight (9, expected 16)`."""
    return f"{name} ({_format_shape(value.shape)}, expected {_format_shape(expected_shape)})"


def _format_shape(shape: Sequence[int]) -> str:
    return "x".join(str(length) for length in shape)
