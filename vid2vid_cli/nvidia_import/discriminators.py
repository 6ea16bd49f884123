"""Conversion of published discriminators, which are needed only for further training.

latest_net_D.pth          conditions and frame             image_discriminator
latest_net_D_T0, _T1 ...  frames with strides 1, 3, 9      temporal_discriminators.1, .3, .9
latest_net_D_f.pth        face crops (pose)                region_discriminators.face

Published normalisation layers use the statistics of the batch, ours those of each image. Both are equal for a batch of
one image, the published setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.config.discriminators import ImageConfig, PatchConfig, RegionConfig, TemporalConfig
from vid2vid_cli.engine.build import build_discriminator
from vid2vid_cli.engine.published_weights import check_layers
from vid2vid_cli.engine.weight_files import Weights
from vid2vid_cli.nvidia_import.convert import ChannelMapping, describe_shape_mismatch, remap_input_channels
from vid2vid_cli.nvidia_import.files import Release, read_weights
from vid2vid_cli.nvidia_import.parameter_counts import count_weights

FACE_REGION = "face"
_FIRST_LAYER_PATTERN = re.compile(r"scale(\d+)_layer0\.0\.weight")
_FRAME_CHANNELS = 3
_FLOW_CHANNELS = 2


@dataclass(frozen=True, kw_only=True)
class PublishedDiscriminators:
    """Configs of the published discriminators, and their weights with the names of `TrainState`."""

    image_config: ImageConfig | None = None
    temporal_config: TemporalConfig | None = None
    region_config: RegionConfig | None = None
    weights: Weights = field(default_factory=dict, repr=False)
    files: Sequence[Path] = ()
    parameter_counts: Sequence[int] = ()
    """Number of weights of each file."""
    file_configs: Sequence[PatchConfig] = ()
    """Config of each file."""
    skipped: Sequence[str] = ()
    """One line per file that is not imported, with the reason."""


@dataclass(frozen=True, kw_only=True)
class _PublishedDiscriminator:
    """One file: a patch discriminator at several scales, coarse to fine."""

    path: Path
    weights: Weights = field(repr=False)
    num_scales: int
    num_layers: int
    base_channels: int
    """First channels of the finest scale."""
    max_channels: int
    """First channels of the coarsest scale."""
    in_channels: int

    @property
    def patch_settings(self) -> dict[str, int | None]:
        """Keyword arguments of `PatchConfig`."""
        max_channels = self.max_channels if self.max_channels > self.base_channels else None
        return {
            "num_scales": self.num_scales,
            "num_layers": self.num_layers,
            "base_channels": self.base_channels,
            "max_channels": max_channels,
        }


def read_discriminators(release: Release, channel_mapping: ChannelMapping, height: int) -> PublishedDiscriminators:
    """Read and convert the discriminators of a release, for images of `height` and the given condition channels.

    Unsupported files are skipped with a reason. Raises the errors of `read_weights`, and LayerMismatchError.
    """
    published_by_name, skipped = _read_published(release, len(channel_mapping.indices))
    discriminators: list[tuple[str, _PublishedDiscriminator, PatchConfig]] = []
    image_config = temporal_config = region_config = None
    if (published := published_by_name.get("D")) is not None:
        image_config = ImageConfig(
            **published.patch_settings,
            condition_scale=1.0,
            condition_range=channel_mapping.condition_range,
        )
        discriminators.append(("image_discriminator", published, image_config))
    frame_strides = {f"D_T{index}": 3**index for index in range(3)}
    temporal_by_stride = {
        stride: published_by_name[name] for name, stride in frame_strides.items() if name in published_by_name
    }
    if temporal_by_stride:
        published = next(iter(temporal_by_stride.values()))
        num_frames = (published.in_channels + _FLOW_CHANNELS) // (_FRAME_CHANNELS + _FLOW_CHANNELS)
        temporal_config = TemporalConfig(
            **published.patch_settings, frame_strides=list(temporal_by_stride), num_frames=num_frames
        )
        discriminators += [
            (f"temporal_discriminators.{stride}", published, temporal_config)
            for stride, published in temporal_by_stride.items()
        ]
    if (published := published_by_name.get("D_f")) is not None:
        region_config = RegionConfig(**published.patch_settings, names=[FACE_REGION])
        discriminators.append((f"region_discriminators.{FACE_REGION}", published, region_config))
    weights: dict[str, Tensor] = {}
    for name, published, config in discriminators:
        converted = _convert_discriminator(
            published,
            config,
            None if config is temporal_config else channel_mapping,
            input_height=config.crop_size(height) if isinstance(config, RegionConfig) else height,
        )
        weights |= {f"{name}.{key}": value for key, value in converted.items()}
    return PublishedDiscriminators(
        image_config=image_config,
        temporal_config=temporal_config,
        region_config=region_config,
        weights=weights,
        files=[published.path for _, published, _ in discriminators],
        parameter_counts=[count_weights(published.weights) for _, published, _ in discriminators],
        file_configs=[config for *_, config in discriminators],
        skipped=skipped,
    )


def _read_published(release: Release, condition_channels: int) -> tuple[dict[str, _PublishedDiscriminator], list[str]]:
    """The supported files by network name, and one line per unsupported file with the reason."""
    published_by_name: dict[str, _PublishedDiscriminator] = {}
    skipped = []
    for name, path in sorted(release.files.items()):
        if not name.startswith("D"):
            continue
        published = _parse_discriminator(path, read_weights(path))
        if published is None:
            skipped.append(f"{path.name}: it is not a vid2vid discriminator with feature matching.")
        elif reason := _mismatch_reason(name, published, published_by_name, condition_channels):
            skipped.append(f"{path.name}: {reason}")
        else:
            published_by_name[name] = published
    return published_by_name, skipped


def _mismatch_reason(
    name: str,
    published: _PublishedDiscriminator,
    published_by_name: Mapping[str, _PublishedDiscriminator],
    condition_channels: int,
) -> str:
    """Why a discriminator does not fit the generator or the previous temporal discriminators; "" if it fits."""
    if name.startswith("D_T"):
        previous = next((other for key, other in published_by_name.items() if key.startswith("D_T")), None)
        if (published.in_channels + _FLOW_CHANNELS) % (_FRAME_CHANNELS + _FLOW_CHANNELS):
            return f"its {published.in_channels} input channels are not frames and the flow between them."
        if previous is not None and previous.patch_settings != published.patch_settings:
            return f"its architecture differs from that of {previous.path.name}."
    elif published.in_channels != condition_channels + _FRAME_CHANNELS:
        expected_text = f"{condition_channels} condition channels and {_FRAME_CHANNELS} frame channels"
        return f"it has {published.in_channels} input channels; this network has {expected_text}."
    return ""


def _parse_discriminator(path: Path, weights: Weights) -> _PublishedDiscriminator | None:
    first_layers = {int(match[1]): weights[name] for name in weights if (match := _FIRST_LAYER_PATTERN.fullmatch(name))}
    if (
        not first_layers
        or sorted(first_layers) != list(range(len(first_layers)))
        or any(value.ndim != 4 for value in first_layers.values())
    ):
        return None
    finest, coarsest = first_layers[len(first_layers) - 1], first_layers[0]
    num_layers = len({name.partition(".")[0] for name in weights if name.startswith("scale0_layer")}) - 2
    return _PublishedDiscriminator(
        path=path,
        weights=weights,
        num_scales=len(first_layers),
        num_layers=num_layers,
        base_channels=len(finest),
        max_channels=len(coarsest),
        in_channels=finest.shape[1],
    )


def _convert_discriminator(
    published: _PublishedDiscriminator,
    config: PatchConfig,
    channel_mapping: ChannelMapping | None,
    *,
    input_height: int,
) -> dict[str, Tensor]:
    """State dict of the equivalent discriminator. Raises LayerMismatchError.

    `channel_mapping`: mapping of the condition channels that precede the frame; None if there are none.
    """
    in_channels = published.in_channels if channel_mapping is None else channel_mapping.num_channels + _FRAME_CHANNELS
    with torch.device("meta"):
        network = build_discriminator(config, in_channels, input_height)
    converted: dict[str, Tensor] = {}
    missing, mismatched = [], []
    name_map = dict(_paired_names(list(network.discriminators), network.state_dict()))
    for published_name, our_name in name_map.items():
        shape = tuple(network.state_dict()[our_name].shape)
        is_first_layer = published_name.endswith("_layer0.0.weight")
        if is_first_layer:
            shape = (shape[0], published.in_channels, *shape[2:])
        value = published.weights.get(published_name)
        if value is None:
            missing.append(published_name)
        elif tuple(value.shape) != shape:
            mismatched.append(describe_shape_mismatch(published_name, value, shape))
        else:
            converted[our_name] = (
                value.float()
                if channel_mapping is None or not is_first_layer
                else _remap_condition_channels(value.float(), channel_mapping)
            )
    unexpected = [name for name in published.weights if name not in name_map]
    check_layers(published.path, missing=missing, unexpected=unexpected, mismatched=mismatched)
    return converted


def _paired_names(scale_names: Sequence[str], weights: Weights) -> Iterator[tuple[str, str]]:
    """Pairs (published name, our name). Our scales start with the finest, published ones with the coarsest."""
    for name in weights:
        _, scale_name, _, layer, module_index, parameter = name.split(".")
        yield (
            f"scale{len(scale_names) - 1 - scale_names.index(scale_name)}_layer{layer}.{module_index}.{parameter}",
            name,
        )


def _remap_condition_channels(weight: Tensor, channel_mapping: ChannelMapping) -> Tensor:
    """Remap the condition channels of a first convolution; its last channels are the frame."""
    condition_weight, frame_weight = weight[:, :-_FRAME_CHANNELS], weight[:, -_FRAME_CHANNELS:]
    return torch.cat([remap_input_channels(condition_weight, channel_mapping, 1), frame_weight], 1)
