"""The settings of styles: what the conditions leave open about each object, and a model is told beside them."""

from __future__ import annotations

from pydantic import Field

from vid2vid_cli.config.base import Section

THINGS = (
    *("person", "rider", "car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle"),
    *("aeroplane", "bird", "boat", "bottle", "cat", "chair", "cow", "diningtable", "dog", "horse", "motorbike"),
    *("pottedplant", "sheep", "sofa", "tvmonitor"),
)
"""The classes of Cityscapes and of Pascal VOC that are counted."""


class StyleConfig(Section):
    """Styles per object: a few numbers that an encoder sees in real frames, and that are chosen in synthesis."""

    features: int = Field(0, ge=0, le=16, description="Numbers that describe an object; published: 3. 0: no styles.")
    width: int = Field(16, ge=4, description="Channels of the encoder's first convolution.")
    downsamples: int = Field(4, ge=1, le=5, description="Stride-2 convolutions of the encoder.")
    clusters: int = Field(10, ge=1, le=100, description="Styles of each class that can be chosen by number.")
    things: tuple[str, ...] | None = Field(
        None,
        description="Classes of which each connected region is an object of its own, where no instance ids are known; "
        "of others all of a class is one. null: those of Cityscapes and Pascal VOC that are counted.",
    )

    @property
    def least(self) -> int:
        """Pixels that a side of the picture has at least: the encoder's innermost maps must have 2 x 2 cells."""
        return 2 << self.downsamples if self.features else 0
