"""The settings that define each model family, so that one preset can train any of them for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.data import DataConfig

FRAME_WISE_OVERRIDES: Mapping[str, Any] = {
    "generator.past_frames": 0,
    "generator.flow": False,
    "generator.num_references": 0,
    "generator.foreground_classes": [],
    "discriminators.temporal.frame_strides": [],
    "discriminators.region.names": [],
    "schedule.initial_frames": "zeros",
}
PIX2PIXHD_OVERRIDES: Mapping[str, Any] = {
    # Its other losses are those that vid2vid shares with it, and stay the preset's.
    **FRAME_WISE_OVERRIDES,
    "generator.kind": "composite",
    "losses.gan_mode": "lsgan",
}
PIX2PIX_OVERRIDES: Mapping[str, Any] = {
    **FRAME_WISE_OVERRIDES,
    "generator.kind": "unet",
    "generator.num_scales": 1,
    "discriminators.image.num_scales": 1,
    "discriminators.image.num_layers": 3,  # a receptive field of 70 x 70 pixels
    "losses.gan_mode": "vanilla",
    "losses.adversarial": 1,
    "losses.feature_matching": 0,
    "losses.perceptual": 0,
    "losses.l1": 100,
    "schedule.freeze_coarse_steps": 0,
}
PREDICT_OVERRIDES: Mapping[str, Any] = {
    # Label maps have no texture for VGG features, and no regions of their own.
    "generator.kind": "composite",
    "generator.target": "labels",
    "generator.num_references": 0,
    "generator.foreground_classes": [],
    "discriminators.region.names": [],
    "style.feature_channels": 0,
    "losses.perceptual": 0,
    "schedule.initial_frames": "real",
}
MAX_UNET_DOWNSAMPLES = 8
"""Levels of the published U-Net for 256 pixels: down to a single cell."""
COMPOSITE_ONLY = ("num_local_res_blocks", "kernel_size", "foreground_after_warp", "condition_range")
UNSUPPORTED = {
    "composite": ("conv_bias", "dropout", "patch_size"),
    "fast": (*COMPOSITE_ONLY, "upsample", "conv_bias", "dropout"),
    "unet": (*COMPOSITE_ONLY, "num_res_blocks", "patch_size"),
    "resnet": (*(name for name in COMPOSITE_ONLY if name != "kernel_size"), "conv_bias", "dropout", "patch_size"),
}
"""Settings of the generator that a kind does not use."""
FLOW_SETTINGS = ("generator.flow_multiplier", "losses.flow", "losses.flow_warp", "losses.occlusion")


def variant_overrides(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings (dotted key -> value) of the family that `settings["model"]` names; none for vid2vid."""
    match settings.get("model"):
        case "pix2pixhd":
            return dict(PIX2PIXHD_OVERRIDES)
        case "pix2pix":
            height = settings.get("data.height")
            height = height if isinstance(height, int) else DataConfig().height
            num_downsamples = max(1, min(MAX_UNET_DOWNSAMPLES, height.bit_length() - 1))
            return {**PIX2PIX_OVERRIDES, "generator.num_downsamples": num_downsamples}
        case "predict":
            return dict(PREDICT_OVERRIDES)
    return {}


def unused_settings(config: Config) -> dict[str, str]:
    """Settings without an effect on this model (dotted key -> reason)."""
    generator = config.generator
    kind = generator.kind
    reasons = {f"generator.{name}": f"generator.kind={kind} does not use it" for name in UNSUPPORTED[kind]}
    if kind != "composite":
        reasons["schedule.freeze_coarse_steps"] = f"generator.kind={kind} has one scale"
    if not generator.past_frames:
        ignored = ("schedule.initial_frames", "schedule.image_warmup_steps", "losses.temporal_warp")
        reasons |= dict.fromkeys(ignored, "the model is frame-wise (generator.past_frames=0)")
    elif config.num_initial_frames:
        reasons["schedule.image_warmup_steps"] = "clips begin with real frames (schedule.initial_frames=real)"
    if not generator.flow:
        reasons |= dict.fromkeys(FLOW_SETTINGS, "generator.flow is false")
    return reasons
