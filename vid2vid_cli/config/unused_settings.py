"""The settings that a model does not use, with the reason."""

from __future__ import annotations

from vid2vid_cli.config.config import ATTRIBUTE_MODELS, Config
from vid2vid_cli.config.discriminators import ImageConfig
from vid2vid_cli.config.losses import VIDEO_GAN_TERMS
from vid2vid_cli.config.savp import SavpConfig
from vid2vid_cli.config.unpaired import UnpairedConfig

IMAGE_DISCRIMINATOR = tuple(f"discriminators.image.{name}" for name in ImageConfig.model_fields)
COMPOSITE_ONLY = ("num_local_res_blocks", "kernel_size", "foreground_after_warp", "condition_range")
UNET_ONLY = ("conv_bias", "dropout", "skip_connections")
SPADE_ONLY = ("blend_references",)
SAVP_ONLY = ("latent_encoder", "motion_encoder", "transformation", "num_transformations")
UNSUPPORTED = {
    "composite": (*UNET_ONLY, *SAVP_ONLY, *SPADE_ONLY, "patch_size"),
    "fast": (*COMPOSITE_ONLY, *UNET_ONLY, *SAVP_ONLY, *SPADE_ONLY, "upsample"),
    "spade": (*COMPOSITE_ONLY, *UNET_ONLY, *SAVP_ONLY, "upsample"),
    "unet": (*COMPOSITE_ONLY, *SAVP_ONLY, *SPADE_ONLY, "num_res_blocks", "patch_size"),
    "resnet": (*sorted({*COMPOSITE_ONLY} - {"kernel_size"}), *UNET_ONLY, *SAVP_ONLY, *SPADE_ONLY, "patch_size"),
    "savp": (*COMPOSITE_ONLY, *UNET_ONLY, *SPADE_ONLY, "num_res_blocks", "norm", "upsample", "patch_size"),
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
    *IMAGE_DISCRIMINATOR,  # those of savp are of clips: savp.discriminator_channels
)
SAVP_LATENT_SETTINGS = tuple(f"generator.{name}" for name in ("latent_encoder", "motion_encoder", "latent_injection"))
BICYCLEGAN_SETTINGS = ("losses.random_adversarial", "losses.latent")
LATENT_SETTINGS = ("generator.latent_channels", "losses.kl")
UNUSED_BY_BICYCLEGAN = (
    *("losses.feature_matching", "losses.perceptual", "losses.temporal_warp", "losses.temporal_adversarial"),
    *("losses.temporal_feature_matching", "losses.region_adversarial", "losses.region_feature_matching"),
    *("discriminators.image.condition_scale", "discriminators.image.condition_range", "schedule.frames_per_update"),
    *("discriminators.temporal.frame_strides", "discriminators.region.names"),
)
ATTRIBUTE_SETTINGS = ("generator.attributes", "data.attributes_file")
FADER_SETTINGS = ("losses.attribute_adversarial", "schedule.attribute_warmup_steps")
UNUSED_BY_FADER = (
    *("losses.adversarial", "generator.upsample", "generator.dropout", "generator.conv_bias", "losses.gan_mode"),
    "generator.skip_connections",
    *UNUSED_BY_BICYCLEGAN,
    *IMAGE_DISCRIMINATOR,
)
UNUSED_BY_VAEGAN = (
    *("generator.dropout", "generator.conv_bias", "generator.skip_connections"),
    *(f"discriminators.image.{name}" for name in ("num_scales", "num_layers", "max_channels")),
    *UNUSED_BY_BICYCLEGAN,
)
DISPLACEMENT_SETTINGS = ("augmentation.subject_translate_prob", "augmentation.max_subject_translate")
FLOW_SETTINGS = ("generator.flow_multiplier", "losses.flow", "losses.flow_warp", "losses.occlusion")


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
        if not generator.latent_encoder:
            reasons["generator.motion_encoder"] = "there is no encoder (generator.latent_encoder=false)"
        if not generator.latent_channels:
            reasons |= dict.fromkeys(SAVP_LATENT_SETTINGS, "the model has no latents (generator.latent_channels=0)")
    else:
        reasons |= dict.fromkeys(SAVP_SETTINGS, "only model=savp uses it")
    if config.model == "bicyclegan":
        reasons |= dict.fromkeys(UNUSED_BY_BICYCLEGAN, "model=bicyclegan does not use it")
    else:
        reasons |= dict.fromkeys(BICYCLEGAN_SETTINGS, "only model=bicyclegan uses it")
    if config.model not in ("bicyclegan", "savp"):
        reasons["generator.latent_injection"] = "only model=bicyclegan and model=savp use it"
    if config.model == "fader":
        reasons |= dict.fromkeys(UNUSED_BY_FADER, "model=fader does not use it")
    else:
        reasons |= dict.fromkeys(FADER_SETTINGS, "only model=fader uses it")
    if config.model == "vaegan":
        reasons |= dict.fromkeys(UNUSED_BY_VAEGAN, "model=vaegan does not use it")
    else:
        reasons["losses.similarity"] = "only model=vaegan uses it"
    if config.model not in ATTRIBUTE_MODELS:
        reasons |= dict.fromkeys(ATTRIBUTE_SETTINGS, "only model=fader and model=vaegan use it")
    if config.model not in ("savp", "bicyclegan", "vaegan"):
        reasons |= dict.fromkeys(LATENT_SETTINGS, "only model=savp, model=bicyclegan and model=vaegan use it")
    if not generator.past_frames:
        temporal = () if config.is_unpaired else ("losses.temporal_warp",)
        ignored = ("schedule.initial_frames", "schedule.image_warmup_steps", *temporal)
        reasons |= dict.fromkeys(ignored, "the model is frame-wise (generator.past_frames=0)")
    elif config.num_initial_frames:
        reasons["schedule.image_warmup_steps"] = "clips begin with real frames (schedule.initial_frames=real)"
    if not generator.num_references or (kind != "fast" and not generator.blend_references):
        reasons["losses.synthesised_l1"] = "the model does not blend reference frames"
    if not generator.num_references:
        reasons |= dict.fromkeys(DISPLACEMENT_SETTINGS, "the model has no reference frames")
    elif config.data.crop == "random":
        reasons |= dict.fromkeys(DISPLACEMENT_SETTINGS, "random crops of the frames are trained on (data.crop=random)")
    if not generator.flow:
        reasons |= dict.fromkeys(FLOW_SETTINGS, "generator.flow is false")
    return reasons
