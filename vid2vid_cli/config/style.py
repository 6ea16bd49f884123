"""Styles per object (pix2pixHD's instance features)."""

from __future__ import annotations

from pydantic import Field

from vid2vid_cli.config.base import ConfigSection, nvidia

THING_CLASSES = (
    *("person", "rider", "car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle"),
    *("aeroplane", "bird", "boat", "bottle", "cat", "chair", "cow", "diningtable", "dog", "horse", "motorbike"),
    *("pottedplant", "sheep", "sofa", "tvmonitor"),
)
"""Thing classes (countable objects) of Cityscapes and Pascal VOC."""


class StyleConfig(ConfigSection):
    """Per-object feature vectors, encoded from real frames in training and chosen by the user in synthesis."""

    feature_channels: int = Field(
        0,
        ge=0,
        le=16,
        description="Feature channels per object. 0: no styles; pix2pixHD uses 3.",
        json_schema_extra=nvidia("feat_num"),
    )
    base_channels: int = Field(
        16, ge=4, le=1024, description="Channels of the encoder's first convolution.", json_schema_extra=nvidia("nef")
    )
    num_downsamples: int = Field(
        4, ge=1, le=5, description="Stride-2 convolutions of the encoder.", json_schema_extra=nvidia("n_downsample_E")
    )
    num_clusters: int = Field(
        10,
        ge=1,
        le=100,
        description="Number of styles per class that can be selected by number (k-means clusters).",
        json_schema_extra=nvidia("n_clusters"),
    )
    thing_classes: tuple[str, ...] | None = Field(
        None,
        description="Classes whose connected regions are separate objects if no instance ids exist; all "
        "pixels of any other class are one object. null: the thing classes of Cityscapes and Pascal VOC.",
    )

    @property
    def min_side(self) -> int:
        """Pixels that each side of a frame needs: the encoder's innermost feature maps must have 2 x 2 cells."""
        return 2 << self.num_downsamples if self.feature_channels else 0
