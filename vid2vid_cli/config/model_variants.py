"""The settings that define each model family, so that one preset can train any of them for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
FADER_OVERRIDES: Mapping[str, Any] = {
    **FRAME_WISE_OVERRIDES,
    "generator.kind": "unet",
    "generator.num_scales": 1,
    "generator.skip_connections": False,
    "style.feature_channels": 0,
    "losses.l1": 1,
    "losses.perceptual": 0,
    "schedule.freeze_coarse_steps": 0,
    "schedule.clip_length": 1,
    "schedule.max_clip_length": 1,
    "conditioners": None,
}
VAEGAN_OVERRIDES: Mapping[str, Any] = {
    **{key: value for key, value in FADER_OVERRIDES.items() if key != "losses.l1"},
    "losses.gan_mode": "vanilla",
    # For short trainings. Published: adversarial 1, similarity 1, no l1.
    "losses.adversarial": 0.1,
    "losses.similarity": 10,
    "losses.kl": 1,
    "losses.l1": 10,
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
FADER_DOWNSAMPLES = 7
"""Of the published encoder for 256 pixels: a code of 2 x 2 cells."""
VAEGAN_GRID_LEVELS = 3
"""Halvings of 8 cells to one: those of the published encoder end at 8 x 8 cells."""
MAX_UNET_DOWNSAMPLES = 8
"""Levels of the published U-Net for 256 pixels: down to a single cell."""


def variant_overrides(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings (dotted key -> value) of the family that `settings["model"]` names; none for vid2vid."""
    match settings.get("model"):
        case "pix2pixhd":
            return dict(PIX2PIXHD_OVERRIDES)
        case "pix2pix":
            return {**PIX2PIX_OVERRIDES, "generator.num_downsamples": _unet_downsamples(settings)}
        case "fader":
            num_downsamples = max(1, min(FADER_DOWNSAMPLES, _unet_downsamples(settings) - 1))
            return {**FADER_OVERRIDES, "generator.num_downsamples": num_downsamples}
        case "vaegan":
            num_downsamples = max(1, _unet_downsamples(settings) - VAEGAN_GRID_LEVELS)
            return {**VAEGAN_OVERRIDES, "generator.num_downsamples": num_downsamples}
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
