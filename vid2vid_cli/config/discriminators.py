"""The settings of what is minimised: the discriminators, and the weight of each loss term."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from vid2vid_cli.config.base import Section


class PatchConfig(Section):
    """A multi-scale patch discriminator."""

    scales: int = Field(2, ge=1, le=4, description="Copies on an image pyramid.")
    layers: int = Field(3, ge=1, le=5, description="Stride-2 convolutions per copy.")
    width: int = Field(64, ge=4, description="Channels of the first convolution.")
    widest: int | None = Field(
        None, ge=4, description="Of the coarser copies: doubled with each, up to this; null: all copies alike."
    )


class ImageConfig(PatchConfig):
    """The image discriminator, which sees a frame below its conditions."""

    conditions: float = Field(
        0.1,
        gt=0,
        le=1,
        description="How strongly conditions are shown to it, and to region discriminators, beside frames of -1 to 1; "
        "1: at full strength.",
    )
    unit_conditions: bool = Field(
        False, description="Show it conditions from 0 to 1, as published labels and faces; false: -1 to 1."
    )


class TemporalConfig(PatchConfig):
    """The temporal discriminators: one per frame rate, conditioned on flow."""

    rates: tuple[int, ...] = Field((1, 3), description="Spacing of the frames of a group; () for none.")
    frames: int = Field(3, ge=2, le=5, description="Frames of a group.")
    groups: Literal["every", "covering", "sparse"] = Field(
        "every",
        description="Where groups end. every: at each new frame; covering: at the newest, and back by `frames`, as "
        "published; sparse: so that none overlap, for little memory.",
    )

    @field_validator("rates")
    @classmethod
    def _are_rates(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(value) > 3 or any(rate < 1 for rate in value) or len(set(value)) < len(value):
            raise ValueError("should be one to three different spacings of at least 1, such as [1, 3, 9]; [] for none")
        return value


class RegionConfig(PatchConfig):
    """Discriminators that see single regions of a frame: one for all regions of a name."""

    names: tuple[str, ...] = Field(
        (), description="Which, of those that the conditioner offers, such as [face, hands]; [] for none."
    )
    required: bool = Field(
        True, description="Whether a name that no conditioner of the dataset offers is refused; false: left out."
    )
    part: float = Field(
        0.25, gt=0, le=1, description="Side of the square about a region, as a part of the picture's height."
    )
    scales: int = Field(1, ge=1, le=4, description="Copies on an image pyramid.")

    def side(self, height: int) -> int:
        """Pixels of that square, in pictures of a height; enough for a discriminator to judge."""
        return min(height, max(16, round(self.part * height)))


class LossConfig(Section):
    """The weights of the loss terms; 0 switches a term off."""

    gan: Literal["least_squares", "hinge", "cross_entropy"] = Field(
        "least_squares", description="The adversarial loss; cross_entropy: pix2pix's."
    )
    adversarial: float = Field(1.0, ge=0, description="Image discriminator, on the final and the raw frame.")
    feature_matching: float = Field(10.0, ge=0, description="Inner features of the image discriminator.")
    perceptual: float = Field(10.0, ge=0, description="VGG19 features; off where no weights are at hand.")
    pixel: float = Field(0.0, ge=0, description="L1 between frames, final and raw.")
    flow: float = Field(10.0, ge=0, description="Generated flow against the teacher's.")
    flow_warp: float = Field(10.0, ge=0, description="Last real frame, warped by the flow, against the real one.")
    frame_warp: float = Field(10.0, ge=0, description="Last generated frame, warped by the teacher's flow.")
    occlusion: float = Field(1.0, ge=0, description="Mask against 0 where the teacher's flow is certain.")
    temporal_adversarial: float = Field(1.0, ge=0, description="Temporal discriminators.")
    temporal_feature_matching: float = Field(10.0, ge=0, description="Their inner features.")
    region_adversarial: float = Field(2.0, ge=0, description="Region discriminators, on the final frame.")
    region_feature_matching: float = Field(20.0, ge=0, description="Their inner features.")

    @property
    def judge_frames(self) -> bool:
        """Whether any term needs the image discriminator; where none does, it is neither asked nor trained."""
        return self.adversarial > 0 or self.feature_matching > 0

    @property
    def judge_motion(self) -> bool:
        """The same for the temporal discriminators."""
        return self.temporal_adversarial > 0 or self.temporal_feature_matching > 0

    @property
    def judge_regions(self) -> bool:
        """The same for the region discriminators."""
        return self.region_adversarial > 0 or self.region_feature_matching > 0
