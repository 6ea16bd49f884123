"""Architecture of a published network, inferred from the names and shapes of its weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vid2vid_cli.config.generator import ConditionRange, GeneratorConfig
from vid2vid_cli.core.errors import ForeignCheckpointError
from vid2vid_cli.core.types import FLOW_MULTIPLIER
from vid2vid_cli.engine.weight_files import Weights
from vid2vid_cli.nvidia_import.layer_names import ScaleArchitecture, map_image_layers, map_scale_layers


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Architecture of a published generator, in the terms of `GeneratorConfig`."""

    condition_channels: int
    """Published condition channels per frame."""
    past_frames: int
    has_flow: bool
    has_foreground: bool
    base_channels: int
    num_downsamples: int
    num_res_blocks: int
    num_scales: int
    num_local_res_blocks: int
    kernel_size: int
    has_affine_norm: bool
    """Whether normalisation layers have weights and biases; otherwise these are 1 and 0."""
    is_image_generator: bool = False

    def generator_config(self, foreground_classes: Sequence[str], condition_range: ConditionRange) -> GeneratorConfig:
        """Config of the equivalent generator; `foreground_classes` are for the foreground branch. Raises ValueError."""
        return GeneratorConfig(
            past_frames=self.past_frames,
            flow=self.has_flow,
            flow_multiplier=FLOW_MULTIPLIER,
            num_scales=self.num_scales,
            base_channels=self.base_channels,
            num_downsamples=self.num_downsamples,
            num_res_blocks=self.num_res_blocks,
            num_local_res_blocks=self.num_local_res_blocks,
            kernel_size=self.kernel_size,
            norm="batch",
            upsample="transpose",
            foreground_classes=tuple(foreground_classes) if self.has_foreground else (),
            foreground_after_warp=True,
            condition_range=condition_range,
        )

    def layer_maps(self) -> list[dict[str, str]]:
        """Published layer name -> our layer name, for each scale from coarse to fine."""
        num_decoder_blocks = self.num_res_blocks // 2
        if self.is_image_generator:
            return map_image_layers(
                num_downsamples=self.num_downsamples,
                num_encoder_blocks=self.num_res_blocks - num_decoder_blocks,
                num_decoder_blocks=num_decoder_blocks,
                num_enhancer_blocks=self.num_local_res_blocks if self.num_scales > 1 else 0,
            )
        coarsest = ScaleArchitecture(
            num_downsamples=self.num_downsamples,
            num_encoder_blocks=self.num_res_blocks - num_decoder_blocks,
            num_decoder_blocks=num_decoder_blocks,
            has_past=self.past_frames > 0,
            has_flow=self.has_flow,
            has_foreground=self.has_foreground,
            is_finer=False,
        )
        finer = replace(
            coarsest,
            num_downsamples=1,
            num_encoder_blocks=0,
            num_decoder_blocks=self.num_local_res_blocks,
            is_finer=True,
        )
        return [map_scale_layers(coarsest), *([map_scale_layers(finer)] * (self.num_scales - 1))]


def read_video_architecture(scale_weights: Sequence[Weights], paths: Sequence[Path]) -> Architecture:
    """Infer the architecture of `latest_net_G0.pth` and its finer scales. Raises ForeignCheckpointError."""
    weights, path = scale_weights[0], paths[0]
    base_channels, window_channels, kernel_size, _ = _conv_shape(weights, "model_down_seg.1.weight", path)
    frame_channels = _conv_shape(weights, "model_down_img.1.weight", path)[1]
    past_frames = frame_channels // 3
    condition_channels, remainder = divmod(window_channels, past_frames + 1)
    if remainder or frame_channels % 3:
        raise ForeignCheckpointError(
            f"{path} has {window_channels} condition channels and {frame_channels} frame channels, which are not whole "
            "numbers of frames.",
            "Use a generator of the vid2vid release.",
        )
    return Architecture(
        condition_channels=condition_channels,
        past_frames=past_frames,
        has_flow=any(name.startswith("model_final_flow.") for name in weights),
        has_foreground=any(name.startswith("indv_") for name in weights),
        base_channels=base_channels,
        num_downsamples=_count_weights(weights, r"model_down_seg\.\d+\.weight", 4) - 1,
        num_res_blocks=sum(
            _count_weights(weights, rf"{group}\.\d+\.conv_block\.1\.weight")
            for group in ("model_down_seg", "model_res_img")
        ),
        num_scales=len(scale_weights),
        num_local_res_blocks=_count_weights(scale_weights[1], r"model_up_img\.\d+\.conv_block\.1\.weight")
        if len(scale_weights) > 1
        else 3,
        kernel_size=kernel_size,
        has_affine_norm="model_down_seg.2.weight" in weights,
    )


def read_image_architecture(weights: Weights, path: Path) -> Architecture:
    """Infer the architecture of an image generator, with or without local enhancer. Raises ForeignCheckpointError."""
    base_channels, condition_channels, kernel_size, _ = _conv_shape(weights, "model.1.weight", path)
    has_enhancer = "model1_1.1.weight" in weights
    conv_names = [name for name in weights if re.fullmatch(r"model\.\d+\.weight", name) and weights[name].ndim == 4]
    return Architecture(
        condition_channels=condition_channels,
        past_frames=0,
        has_flow=False,
        has_foreground=False,
        base_channels=base_channels,
        # One stem, equal numbers of down- and upsampling layers and, without enhancer, a head.
        num_downsamples=(len(conv_names) - (1 if has_enhancer else 2)) // 2,
        num_res_blocks=_count_weights(weights, r"model\.\d+\.conv_block\.1\.weight"),
        num_scales=2 if has_enhancer else 1,
        num_local_res_blocks=_count_weights(weights, r"model1_2\.\d+\.conv_block\.1\.weight") if has_enhancer else 3,
        kernel_size=kernel_size,
        has_affine_norm="model.2.weight" in weights,
        is_image_generator=True,
    )


def _conv_shape(weights: Weights, name: str, path: Path) -> tuple[int, int, int, int]:
    weight = weights.get(name)
    if weight is None or weight.ndim != 4:
        group_names = ", ".join(dict.fromkeys(other.split(".")[0] for other in weights))
        raise ForeignCheckpointError(
            f"{path} has no convolution {name}, the first layer of vid2vid's generators; it has {group_names}.",
            "Give the folder of a generator written by NVIDIA's vid2vid.",
        )
    a, b, c, d = weight.shape
    return a, b, c, d


def _count_weights(weights: Weights, pattern: str, num_dims: int = 4) -> int:
    return sum(bool(re.fullmatch(pattern, name)) and value.ndim == num_dims for name, value in weights.items())
