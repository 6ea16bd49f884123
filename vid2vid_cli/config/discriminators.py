"""The discriminators: of single frames, of frame sequences, and of image regions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from vid2vid_cli.config.base import ConfigSection, nvidia
from vid2vid_cli.config.generator import ConditionRange


class PatchConfig(ConfigSection):
    """A multi-scale patch discriminator."""

    num_scales: int = Field(
        2, ge=1, le=4, description="Discriminators on an image pyramid.", json_schema_extra=nvidia("num_D")
    )
    num_layers: int = Field(
        3, ge=1, le=5, description="Stride-2 convolutions of each.", json_schema_extra=nvidia("n_layers_D")
    )
    base_channels: int = Field(
        64, ge=4, le=1024, description="Channels of the first convolution.", json_schema_extra=nvidia("ndf")
    )
    max_channels: int | None = Field(
        None,
        ge=4,
        le=4096,
        description="Channels of the first convolution double with each coarser scale, up to this; null: the same at "
        "all scales.",
    )


class ImageConfig(PatchConfig):
    """The image discriminator: a frame concatenated with its conditions."""

    condition_scale: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Factor on the condition channels before they are concatenated with the frame (image and region "
        "discriminators). At 1 the discriminators learn hundreds of steps later.",
    )
    condition_range: ConditionRange = Field(
        (-1, 1),
        description="Value range of the condition inputs: [-1, 1], or [0, 1] as in the published networks.",
    )


class TemporalConfig(PatchConfig):
    """The temporal discriminators, conditioned on flow: one per frame stride."""

    frame_strides: tuple[int, ...] = Field(
        (1, 3),
        description="Strides between the frames of a sequence, one discriminator each. []: no temporal discriminators.",
        json_schema_extra=nvidia("n_scales_temporal (strides 1, 3, 9)"),
    )
    num_frames: int = Field(3, ge=2, le=5, description="Frames of a sequence.", json_schema_extra=nvidia("n_frames_D"))
    sampling: Literal["dense", "tiled", "disjoint"] = Field(
        "dense",
        description="Which sequences of a clip are used. dense: one ends at each new frame; tiled: they cover the clip "
        "backwards from its newest frame, as published; disjoint: no two share a frame, for little memory.",
        json_schema_extra=nvidia("sparse_D"),
    )

    @field_validator("frame_strides")
    @classmethod
    def _check_strides(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(value) > 3 or any(stride < 1 for stride in value) or len(set(value)) < len(value):
            raise ValueError("should be one to three different strides of at least 1, such as [1, 3, 9]; [] for none")
        return value


class RegionConfig(PatchConfig):
    """Discriminators of square crops around regions that a conditioner locates, one per region name."""

    names: tuple[str, ...] = Field(
        (),
        description="Region names that the conditioner provides, such as [face, hands]. []: no region discriminators.",
        json_schema_extra=nvidia("add_face_disc"),
    )
    strict: bool = Field(
        True,
        description="true: a region that no conditioner of the dataset provides is an error; false: it is ignored.",
    )
    crop_fraction: float = Field(
        0.25, gt=0, le=1, description="Side of the square crop, as a fraction of the frame height."
    )
    num_scales: int = Field(1, ge=1, le=4, description="Discriminators on an image pyramid.")

    def crop_size(self, height: int) -> int:
        """Side of the crop in pixels for frames of a height; at least 16, which a patch discriminator needs."""
        return min(height, max(16, round(self.crop_fraction * height)))


class DiscriminatorsConfig(ConfigSection):
    """All discriminators."""

    image: ImageConfig = ImageConfig()
    temporal: TemporalConfig = TemporalConfig()
    region: RegionConfig = RegionConfig()
