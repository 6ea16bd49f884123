"""The weight of each loss term."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vid2vid_cli.config.base import ConfigSection, nvidia

VIDEO_GAN_TERMS = ("posterior_adversarial", "prior_adversarial", "posterior_features", "prior_features")
"""The terms of SAVP's video discriminators."""


class LossConfig(ConfigSection):
    """Weights of the loss terms; 0 disables a term."""

    gan_mode: Literal["lsgan", "hinge", "vanilla", "wgan"] = Field(
        "lsgan",
        description="Adversarial loss. lsgan: least squares; vanilla: cross-entropy, as in pix2pix; wgan: "
        "Wasserstein, for model=dualgan.",
        json_schema_extra=nvidia("gan_mode, no_lsgan"),
    )
    adversarial: float = Field(1.0, ge=0, description="Image discriminator, on the final and the raw image.")
    feature_matching: float = Field(
        10.0,
        ge=0,
        description="L1 between features of the image discriminator.",
        json_schema_extra=nvidia("lambda_feat, no_ganFeat"),
    )
    perceptual: float = Field(
        10.0,
        ge=0,
        description="Distance of features of a pretrained network, see perceptual_network.",
        json_schema_extra=nvidia("lambda_feat, no_vgg"),
    )
    perceptual_network: Literal["auto", "vgg19", "efficientnet_lite0"] = Field(
        "auto",
        description="vgg19: downloaded once, 575 MB. efficientnet_lite0: small, from the extra [perceptual]. auto: "
        "efficientnet_lite0 on a CPU, otherwise vgg19; the other one if that is missing. A named network that is "
        "missing is an error.",
    )
    l1: float = Field(0.0, ge=0, description="L1 between frames, on the final and the raw image.")
    synthesised_l1: float = Field(
        0.0,
        ge=0,
        description="L1 between frames, on the image that is blended with reference frames: without it, that image "
        "corrects the references, and has wrong colours where it is alone.",
    )
    flow: float = Field(
        10.0,
        ge=0,
        description="Generated flow against the reference flow of the flow estimator.",
        json_schema_extra=nvidia("lambda_F"),
    )
    flow_warp: float = Field(
        10.0,
        ge=0,
        description="Previous real frame, warped by the generated flow, against the real frame.",
        json_schema_extra=nvidia("lambda_F"),
    )
    temporal_warp: float = Field(
        10.0,
        ge=0,
        description="Generated frame against the previous generated frame, warped by the reference flow.",
        json_schema_extra=nvidia("lambda_T"),
    )
    occlusion: float = Field(1.0, ge=0, description="Occlusion mask against 0 where the reference flow is reliable.")
    temporal_adversarial: float = Field(1.0, ge=0, description="Temporal discriminators.")
    temporal_feature_matching: float = Field(
        10.0, ge=0, description="L1 between features of the temporal discriminators."
    )
    region_adversarial: float = Field(2.0, ge=0, description="Region discriminators, on the final image.")
    region_feature_matching: float = Field(20.0, ge=0, description="L1 between features of the region discriminators.")

    cycle: float = Field(
        10.0, ge=0, description="Unpaired models: a frame, translated to the other domain and back, against the frame."
    )
    cycle_distance: Literal["l1", "mse"] = Field("l1", description="Unpaired models: the distance of losses.cycle.")
    identity: float = Field(
        5.0,
        ge=0,
        description="Unpaired models: L1 between a frame of the output domain and its translation. 5 is the published "
        "factor 0.5 on losses.cycle.",
    )

    attribute_adversarial: float = Field(
        0.1,
        ge=0,
        description="model=fader: the classifier of attributes, which the encoder's code should mislead; published: "
        "1e-4 beside a mean squared error.",
    )
    kl: float = Field(
        1.0,
        ge=0,
        description="model=savp, bicyclegan, vaegan: KL divergence of encoded latents from N(0, I); bicyclegan: summed "
        "over the batch, with a weight of 0.01; vaegan: divided by the number of features of a frame.",
    )
    similarity: float = Field(
        1.0,
        ge=0,
        description="model=vaegan: half the mean squared difference of the discriminator's features, reconstructed "
        "frames against real ones.",
    )
    random_adversarial: float = Field(
        1.0,
        ge=0,
        description="model=bicyclegan: discriminator of frames with a random latent (cLR-GAN); losses.adversarial is "
        "that of frames with an encoded latent (cVAE-GAN).",
    )
    latent: float = Field(
        0.5,
        ge=0,
        description="model=bicyclegan: L1 between a random latent and the latent encoded from the generated frames.",
    )
    posterior_adversarial: float = Field(
        0.1, ge=0, description="model=savp: video discriminator of clips with posterior latents."
    )
    prior_adversarial: float = Field(
        0.1, ge=0, description="model=savp: video discriminator of clips with prior (random) latents."
    )
    posterior_features: float = Field(
        10.0, ge=0, description="model=savp: cosine distance of features, posterior clips against real ones."
    )
    prior_features: float = Field(
        0.0, ge=0, description="model=savp: cosine distance of features, prior clips against real ones."
    )

    def weights(self) -> dict[str, float]:
        """Weight of each loss term by name."""
        return self.model_dump(exclude={"gan_mode", "perceptual_network", "cycle_distance"})

    @property
    def uses_video_discriminators(self) -> bool:
        """Whether any term needs a video discriminator of SAVP."""
        return any(self.weights()[name] > 0 for name in VIDEO_GAN_TERMS)

    @property
    def uses_image_discriminator(self) -> bool:
        """Whether any term needs the image discriminator; otherwise it is neither evaluated nor trained."""
        return self.adversarial > 0 or self.feature_matching > 0

    @property
    def uses_vaegan_discriminator(self) -> bool:
        """Whether any term needs the discriminator of model=vaegan."""
        return self.adversarial > 0 or self.similarity > 0

    @property
    def uses_temporal_discriminators(self) -> bool:
        """Whether any term needs the temporal discriminators."""
        return self.temporal_adversarial > 0 or self.temporal_feature_matching > 0

    @property
    def uses_region_discriminators(self) -> bool:
        """Whether any term needs the region discriminators."""
        return self.region_adversarial > 0 or self.region_feature_matching > 0
