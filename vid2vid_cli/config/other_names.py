"""Other names of settings, for the hint of an error message: those of development versions and other programs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel

from vid2vid_cli.config.config import Config

FORMER_NAMES = {
    "data.size": "data.height",
    "data.aspect": "data.aspect_ratio",
    "data.scale": "data.random_resize",
    "data.shift": "augmentation.max_translate",
    "data.zoom": "augmentation.max_zoom",
    "data.flip": "augmentation.hflip_prob",
    "data.frame_step": "augmentation.max_frame_stride",
    "generator.draws": "generator.target",
    "generator.past": "generator.past_frames",
    "generator.flow_unit": "generator.flow_multiplier",
    "generator.scales": "generator.num_scales",
    "generator.width": "generator.base_channels",
    "generator.patch": "generator.patch_size",
    "generator.downsamples": "generator.num_downsamples",
    "generator.blocks": "generator.num_res_blocks",
    "generator.blocks_local": "generator.num_local_res_blocks",
    "generator.kernel": "generator.kernel_size",
    "generator.foreground": "generator.foreground_classes",
    "generator.foreground_over": "generator.foreground_after_warp",
    "generator.unit_conditions": "generator.condition_range",
    "style.features": "style.feature_channels",
    "style.width": "style.base_channels",
    "style.downsamples": "style.num_downsamples",
    "style.clusters": "style.num_clusters",
    "style.things": "style.thing_classes",
    "discriminator.scales": "discriminators.image.num_scales",
    "discriminator.layers": "discriminators.image.num_layers",
    "discriminator.width": "discriminators.image.base_channels",
    "discriminator.widest": "discriminators.image.max_channels",
    "discriminator.conditions": "discriminators.image.condition_scale",
    "discriminator.unit_conditions": "discriminators.image.condition_range",
    "temporal.scales": "discriminators.temporal.num_scales",
    "temporal.layers": "discriminators.temporal.num_layers",
    "temporal.width": "discriminators.temporal.base_channels",
    "temporal.widest": "discriminators.temporal.max_channels",
    "temporal.rates": "discriminators.temporal.frame_strides",
    "temporal.frames": "discriminators.temporal.num_frames",
    "temporal.groups": "discriminators.temporal.sampling",
    "region.scales": "discriminators.region.num_scales",
    "region.layers": "discriminators.region.num_layers",
    "region.width": "discriminators.region.base_channels",
    "region.widest": "discriminators.region.max_channels",
    "region.names": "discriminators.region.names",
    "region.required": "discriminators.region.strict",
    "region.part": "discriminators.region.crop_fraction",
    "losses.gan": "losses.gan_mode",
    "losses.pixel": "losses.l1",
    "losses.frame_warp": "losses.temporal_warp",
    "optimizer.rate": "optimizer.lr",
    "optimizer.discriminator_rate": "optimizer.discriminator_lr",
    "optimizer.average": "optimizer.ema_decay",
    "schedule.steps": "schedule.max_steps",
    "schedule.batch": "schedule.batch_size",
    "schedule.clip": "schedule.clip_length",
    "schedule.clip_max": "schedule.max_clip_length",
    "schedule.grow_every": "schedule.clip_growth_interval",
    "schedule.stills": "schedule.image_warmup_steps",
    "schedule.first": "schedule.initial_frames",
    "schedule.backpropagate": "schedule.bptt_frames",
    "schedule.fix_global": "schedule.freeze_coarse_steps",
    "schedule.decay_from": "schedule.lr_decay_start",
    "schedule.decay_steps": "schedule.lr_decay_steps",
    "engine.precision": "runtime.precision",
    "engine.channels_last": "runtime.channels_last",
    "engine.recompute": "runtime.gradient_checkpointing",
    "engine.readers": "data.num_workers",
    "engine.seed": "runtime.seed",
    "output.save_every": "checkpoint.save_interval",
    "output.save_minutes": "checkpoint.save_interval_minutes",
    "output.keep": "checkpoint.keep_last",
    "output.sample_every": "checkpoint.sample_interval",
}
"""Keys of development versions -> keys of today."""
COMMON_NAMES = {
    "epochs": "schedule.max_steps",
    "num_epochs": "schedule.max_steps",
    "max_epochs": "schedule.max_steps",
    "iterations": "schedule.max_steps",
    "iters": "schedule.max_steps",
    "num_steps": "schedule.max_steps",
    "learning_rate": "optimizer.lr",
    "bs": "schedule.batch_size",
    "resolution": "data.height",
    "image_size": "data.height",
    "img_size": "data.height",
    "workers": "data.num_workers",
    "fp16": "runtime.precision",
    "bf16": "runtime.precision",
    "amp": "runtime.precision",
}
"""Names of other training programs -> keys."""


def nvidia_options(section_class: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(option of NVIDIA's vid2vid or pix2pixHD, dotted key) for every setting that has a counterpart."""
    for name, field in section_class.model_fields.items():
        field_type = field.annotation
        if isinstance(field_type, type) and issubclass(field_type, BaseModel):
            yield from nvidia_options(field_type, f"{prefix}{name}.")
        elif isinstance(field.json_schema_extra, dict):
            text = re.sub(r"\(.*?\)", "", str(field.json_schema_extra.get("nvidia", "")))
            yield from ((option, f"{prefix}{name}") for option in re.findall(r"[A-Za-z]\w*", text))


def find_by_other_name(key: str) -> list[str]:
    """The settings that `key` is another name of; its section may be missing.

    A full former key wins over names of other training programs, these over NVIDIA's options, and these over former
    names without their section.
    """
    if key in FORMER_NAMES:
        return [FORMER_NAMES[key]]
    name = key.rpartition(".")[2]
    if name in COMMON_NAMES:
        return [COMMON_NAMES[name]]
    from_nvidia = [setting for option, setting in nvidia_options() if option == name]
    if from_nvidia:
        return from_nvidia
    return [setting for former, setting in FORMER_NAMES.items() if former.rpartition(".")[2] == key]
