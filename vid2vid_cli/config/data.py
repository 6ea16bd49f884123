"""The settings that say which frames a model sees, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from vid2vid_cli.config.base import Section

ASPECTS = (0.1, 10.0)
FOCUS_ASPECTS = (0.5, 2.0)
"""The narrowest and the widest picture that is made of what was found."""
LARGEST = 16.0
"""The largest scale of random parts."""


class DataConfig(Section):
    """Which frames a model sees, and how.

    What vid2vid's resize_or_crop is here, pixels always being square. scaleWidth, scaleHeight: crop=whole, aspect=null.
    randomScaleWidth, randomScaleHeight with crop or scaledCrop: crop=random, size=fineSize (its height),
    scale=[1, loadSize / fineSize]. crop alone: the same with one scale, [s, s]. resize, which squeezes frames into a
    square: not wanted; aspect=null sees all of them. max_t_step is frame_step, and no_flip flip=0, otherwise 0.5.
    """

    size: int = Field(256, ge=16, description="Height of the picture, in pixels.")
    aspect: float | str | None = Field(
        1.0,
        description="Width over height of the picture; focus: of what the conditioner found; null: of the frames.",
    )
    crop: Literal["focus", "whole", "random"] = Field(
        "focus",
        description="focus: close around what the conditioner found; whole: all that fits, from the middle; random: "
        "another part for each clip, and in synthesis the whole frame.",
    )
    scale: tuple[float, float] = Field(
        (1.0, 1.0),
        description="For crop=random: how much larger than just fits frames are drawn, any from least to most for "
        "each clip; in synthesis as large as in the middle of both.",
    )
    shift: float = Field(
        0.0, ge=0, le=0.5, description="Augmentation: largest random shift of a clip, as a part of the size."
    )
    zoom: float = Field(0.0, ge=0, le=0.5, description="Augmentation: largest random change of scale of a clip.")
    flip: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Augmentation: how likely a clip is mirrored; left and right joints, parts and classes change "
        "places. Not for drawings that tell sides by their colours.",
    )
    frame_step: int = Field(
        1, ge=1, le=16, description="Augmentation: largest distance of a clip's frames; any from 1 on, as fits."
    )

    @field_validator("aspect")
    @classmethod
    def _is_shape(cls, value: float | str | None) -> float | str | None:
        low, high = ASPECTS
        if value not in (None, "focus") and not (isinstance(value, float) and low <= value <= high):
            raise ValueError(f"should be a number from {low:g} to {high:g}, focus or null")
        return value

    @field_validator("scale")
    @classmethod
    def _is_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 1 <= value[0] <= value[1] <= LARGEST:
            raise ValueError(f"should be two numbers from 1 to {LARGEST:g}, the smaller one first")
        return value

    @model_validator(mode="after")
    def _scale_acts(self) -> DataConfig:
        if self.scale != (1.0, 1.0) and self.crop != "random":
            raise ValueError(f"data.scale is for data.crop=random, and data.crop is {self.crop}")
        return self

    def picture(self, height: int, width: int, focus: Sequence[float] | None = None) -> tuple[int, int]:
        """(height, width) of the picture that is made from frames of that size, and of a box (x0, y0, x1, y1) in them.

        What is found may be narrower or wider than a picture should be; without it the frames give the shape.
        """
        if isinstance(self.aspect, float):
            return self.size, max(1, round(self.size * self.aspect))
        aspect = width / height
        if self.aspect == "focus" and focus:
            x0, y0, x1, y1 = focus
            low, high = FOCUS_ASPECTS
            aspect = min(max((x1 - x0) / max(y1 - y0, 1e-6), low), high)
        return self.size, max(2, 2 * round(self.size * aspect / 2))  # even, as video wants it
