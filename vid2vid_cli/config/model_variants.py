"""The settings that define each model family, so that one preset can train any of them for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.data import DataConfig
from vid2vid_cli.config.losses import VIDEO_GAN_TERMS
from vid2vid_cli.config.savp import SavpConfig
from vid2vid_cli.config.unpaired import UnpairedConfig

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
BICYCLEGAN_OVERRIDES: Mapping[str, Any] = {
    **FRAME_WISE_OVERRIDES,
    "generator.kind": "unet",
    "generator.num_scales": 1,
    "style.feature_channels": 0,
    "losses.gan_mode": "lsgan",
    "losses.adversarial": 1,
    "losses.random_adversarial": 1,
    "losses.l1": 10,
    "losses.latent": 0.5,
    "losses.kl": 0.01,
    "losses.feature_matching": 0,
    "losses.perceptual": 0,
    "schedule.freeze_coarse_steps": 0,
    "schedule.clip_length": 1,
    "schedule.max_clip_length": 1,
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
UNPAIRED_OVERRIDES: Mapping[str, Any] = {
    **FRAME_WISE_OVERRIDES,
    "generator.num_scales": 1,
    "style.feature_channels": 0,
    "discriminators.image.num_scales": 1,
    "discriminators.image.num_layers": 3,  # a receptive field of 70 x 70 pixels
    "losses.gan_mode": "lsgan",
    "losses.adversarial": 1,
    "losses.feature_matching": 0,
    "losses.perceptual": 0,
    "losses.l1": 0,
    "schedule.freeze_coarse_steps": 0,
    "conditioners": None,
}
DUALGAN_OVERRIDES: Mapping[str, Any] = {
    # U-Net with dropout; the published weights of the cycle are 100 to 1000. With --set losses.gan_mode=wgan, also:
    # unpaired.weight_clip=0.01, unpaired.discriminator_updates=3, optimizer.algorithm=rmsprop, both rates 5e-5.
    **UNPAIRED_OVERRIDES,
    "generator.kind": "unet",
    "generator.dropout": 0.5,
    "losses.cycle": 100,
    "losses.identity": 0,
    "unpaired.history_size": 0,
}
DISCOGAN_OVERRIDES: Mapping[str, Any] = {
    **UNPAIRED_OVERRIDES,
    "generator.kind": "unet",
    "generator.skip_connections": False,
    "generator.dropout": 0,
    "losses.gan_mode": "vanilla",
    "losses.cycle": 1,
    "losses.cycle_distance": "mse",
    "losses.identity": 0,
    "unpaired.history_size": 0,
    "optimizer.weight_decay": 1e-4,
}
SAVP_OVERRIDES: Mapping[str, Any] = {
    **{key: value for key, value in FRAME_WISE_OVERRIDES.items() if key != "generator.past_frames"},
    "generator.kind": "savp",
    "generator.target": "future_frames",
    "generator.num_scales": 1,
    "style.feature_channels": 0,
    "losses.gan_mode": "lsgan",
    "losses.perceptual": 0,
    "losses.l1": 100,
    "schedule.initial_frames": "real",
    "schedule.freeze_coarse_steps": 0,
    "conditioners": None,
}
DISCOGAN_DOWNSAMPLES = 4
"""Of the published encoder for 64 pixels."""
MAX_UNET_DOWNSAMPLES = 8
"""Levels of the published U-Net for 256 pixels: down to a single cell."""
COMPOSITE_ONLY = ("num_local_res_blocks", "kernel_size", "foreground_after_warp", "condition_range")
UNET_ONLY = ("conv_bias", "dropout", "skip_connections")
SAVP_ONLY = ("latent_encoder", "transformation", "num_transformations")
UNSUPPORTED = {
    "composite": (*UNET_ONLY, *SAVP_ONLY, "patch_size"),
    "fast": (*COMPOSITE_ONLY, *UNET_ONLY, *SAVP_ONLY, "upsample"),
    "unet": (*COMPOSITE_ONLY, *SAVP_ONLY, "num_res_blocks", "patch_size"),
    "resnet": (*sorted({*COMPOSITE_ONLY} - {"kernel_size"}), *UNET_ONLY, *SAVP_ONLY, "patch_size"),
    "savp": (*COMPOSITE_ONLY, *UNET_ONLY, "num_res_blocks", "norm", "upsample", "patch_size"),
}
"""Settings of the generator that a kind does not use."""
UNPAIRED_SETTINGS = (
    *(f"unpaired.{name}" for name in UnpairedConfig.model_fields),
    *("losses.cycle", "losses.cycle_distance", "losses.identity"),
)
UNUSED_BY_UNPAIRED = (
    *("losses.feature_matching", "losses.perceptual", "losses.l1", "losses.temporal_adversarial"),
    *("losses.temporal_feature_matching", "losses.region_adversarial", "losses.region_feature_matching"),
    *("discriminators.image.condition_scale", "discriminators.image.condition_range", "conditioners"),
    *("discriminators.temporal.frame_strides", "discriminators.region.names", "schedule.frames_per_update"),
)
SAVP_SETTINGS = (
    *(f"savp.{name}" for name in SavpConfig.model_fields),
    *(f"losses.{name}" for name in VIDEO_GAN_TERMS),
)
UNUSED_BY_SAVP = (
    *("losses.adversarial", "losses.feature_matching", "losses.perceptual", "losses.temporal_adversarial"),
    *("losses.temporal_feature_matching", "losses.region_adversarial", "losses.region_feature_matching"),
    *("losses.temporal_warp", "discriminators.temporal.frame_strides", "discriminators.region.names", "conditioners"),
    *("schedule.frames_per_update", "schedule.bptt_frames"),
)
BICYCLEGAN_SETTINGS = ("generator.latent_injection", "losses.random_adversarial", "losses.latent")
LATENT_SETTINGS = ("generator.latent_channels", "losses.kl")
UNUSED_BY_BICYCLEGAN = (
    *("losses.feature_matching", "losses.perceptual", "losses.temporal_warp", "losses.temporal_adversarial"),
    *("losses.temporal_feature_matching", "losses.region_adversarial", "losses.region_feature_matching"),
    *("discriminators.image.condition_scale", "discriminators.image.condition_range", "schedule.frames_per_update"),
    *("discriminators.temporal.frame_strides", "discriminators.region.names"),
)
FLOW_SETTINGS = ("generator.flow_multiplier", "losses.flow", "losses.flow_warp", "losses.occlusion")


def variant_overrides(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings (dotted key -> value) of the family that `settings["model"]` names; none for vid2vid."""
    match settings.get("model"):
        case "pix2pixhd":
            return dict(PIX2PIXHD_OVERRIDES)
        case "pix2pix":
            return {**PIX2PIX_OVERRIDES, "generator.num_downsamples": _unet_downsamples(settings)}
        case "bicyclegan":
            return {**BICYCLEGAN_OVERRIDES, "generator.num_downsamples": _unet_downsamples(settings)}
        case "cyclegan":
            return {**UNPAIRED_OVERRIDES, **_clip_overrides(settings)}
        case "dualgan":
            num_downsamples = _unet_downsamples(settings)
            return {
                **DUALGAN_OVERRIDES,
                "generator.num_downsamples": num_downsamples,
                **_clip_overrides(settings),
            }
        case "discogan":
            num_downsamples = min(DISCOGAN_DOWNSAMPLES, _unet_downsamples(settings))
            return {
                **DISCOGAN_OVERRIDES,
                "generator.num_downsamples": num_downsamples,
                **_clip_overrides(settings),
            }
        case "savp":
            return dict(SAVP_OVERRIDES)
        case "predict":
            return dict(PREDICT_OVERRIDES)
    return {}


def _unet_downsamples(settings: Mapping[str, Any]) -> int:
    """Levels of a U-Net: down to one cell, or the published number."""
    height = settings.get("data.height")
    height = height if isinstance(height, int) else DataConfig().height
    return max(1, min(MAX_UNET_DOWNSAMPLES, height.bit_length() - 1))


def _clip_overrides(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Single frames, as published; two consecutive ones if losses.temporal_warp is given."""
    weight = settings.get("losses.temporal_warp", 0)
    length = 2 if weight else 1
    return {"losses.temporal_warp": weight, "schedule.clip_length": length, "schedule.max_clip_length": length}


def unused_settings(config: Config) -> dict[str, str]:
    """Settings without an effect on this model (dotted key -> reason)."""
    generator = config.generator
    kind = generator.kind
    reasons = {f"generator.{name}": f"generator.kind={kind} does not use it" for name in UNSUPPORTED[kind]}
    if kind != "composite":
        reasons["schedule.freeze_coarse_steps"] = f"generator.kind={kind} has one scale"
    if config.is_unpaired:
        reasons |= dict.fromkeys(UNUSED_BY_UNPAIRED, f"model={config.model} does not use it")
    else:
        reasons |= dict.fromkeys(UNPAIRED_SETTINGS, f"model={config.model} is not unpaired")
    if config.model == "savp":
        reasons |= dict.fromkeys(UNUSED_BY_SAVP, "model=savp does not use it")
    else:
        reasons |= dict.fromkeys(SAVP_SETTINGS, "only model=savp uses it")
    if config.model == "bicyclegan":
        reasons |= dict.fromkeys(UNUSED_BY_BICYCLEGAN, "model=bicyclegan does not use it")
    else:
        reasons |= dict.fromkeys(BICYCLEGAN_SETTINGS, "only model=bicyclegan uses it")
    if config.model not in ("savp", "bicyclegan"):
        reasons |= dict.fromkeys(LATENT_SETTINGS, "only model=savp and model=bicyclegan use it")
    if not generator.past_frames:
        temporal = () if config.is_unpaired else ("losses.temporal_warp",)
        ignored = ("schedule.initial_frames", "schedule.image_warmup_steps", *temporal)
        reasons |= dict.fromkeys(ignored, "the model is frame-wise (generator.past_frames=0)")
    elif config.num_initial_frames:
        reasons["schedule.image_warmup_steps"] = "clips begin with real frames (schedule.initial_frames=real)"
    if not generator.flow:
        reasons |= dict.fromkeys(FLOW_SETTINGS, "generator.flow is false")
    return reasons
