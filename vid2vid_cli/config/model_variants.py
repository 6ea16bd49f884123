"""What belongs to a model of the family, beside its size: one preset then trains any of them, for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.data import DataConfig

FRAME_WISE: Mapping[str, Any] = {
    "generator.past": 0,
    "generator.flow": False,
    "generator.foreground": [],
    "temporal.rates": [],
    "region.names": [],
    "schedule.first": "zeros",
}
PIX2PIXHD: Mapping[str, Any] = {
    # Its other losses are those that vid2vid took over from it, and stay the preset's.
    **FRAME_WISE,
    "generator.kind": "composite",
    "losses.gan": "least_squares",
}
PIX2PIX: Mapping[str, Any] = {
    **FRAME_WISE,
    "generator.kind": "unet",
    "generator.scales": 1,
    "discriminator.scales": 1,
    "discriminator.layers": 3,  # it sees patches of 70 x 70 pixels
    "losses.gan": "cross_entropy",
    "losses.adversarial": 1,
    "losses.feature_matching": 0,
    "losses.perceptual": 0,
    "losses.pixel": 100,
    "schedule.fix_global": 0,
}
PREDICT: Mapping[str, Any] = {
    # Of label maps: there is no texture to be judged by VGG, and no single region that people look at.
    "generator.kind": "composite",
    "generator.draws": "labels",
    "generator.foreground": [],
    "region.names": [],
    "style.features": 0,
    "losses.perceptual": 0,
    "schedule.first": "real",
}
DEEPEST = 8
"""Levels of the published U-Net, for 256 pixels: down to a single cell."""
OF_SCALES = ("blocks_local", "kernel", "foreground_over", "unit_conditions")
LACKING = {
    "composite": ("dropout", "patch"),
    "fast": (*OF_SCALES, "upsample", "dropout"),
    "unet": (*OF_SCALES, "blocks", "patch"),
}
"""Settings of the generator that one kind of it does not have."""
MOTION = ("generator.flow_unit", "losses.flow", "losses.flow_warp", "losses.occlusion")


def recipe(said: Mapping[str, Any]) -> dict[str, Any]:
    """The settings (dotted key -> value) of the model that `said`, of the same kind, names; none for vid2vid."""
    match said.get("model"):
        case "pix2pixhd":
            return dict(PIX2PIXHD)
        case "pix2pix":
            size = said.get("data.size")
            size = size if isinstance(size, int) else DataConfig().size
            return {**PIX2PIX, "generator.downsamples": max(1, min(DEEPEST, size.bit_length() - 1))}
        case "predict":
            return dict(PREDICT)
    return {}


def unused(config: Config) -> dict[str, str]:
    """The settings that the model chosen does not look at, and why: who sets one expects something of it."""
    generator = config.generator
    found: dict[str, str] = {}
    kind = generator.kind
    found |= {f"generator.{name}": f"a {kind} generator has no such thing" for name in LACKING[kind]}
    if kind != "composite":
        found["schedule.fix_global"] = f"a {kind} generator has one scale"
    if not generator.past:
        unseen = ("schedule.first", "schedule.stills", "losses.frame_warp")
        found |= dict.fromkeys(unseen, "nothing is seen of frames before")
    elif config.given:
        found["schedule.stills"] = "clips begin with real frames"
    if not generator.flow:
        found |= dict.fromkeys(MOTION, "there is no flow without generator.flow")
    return found
