"""The settings that say which frames a model sees, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator

from vid2vid_cli.config.section import Section

ASPECTS = (0.1, 10.0)
FOCUS_ASPECTS = (0.5, 2.0)
"""The narrowest and the widest picture that is made of what was found."""


class DataConfig(Section):
    """Which frames a model sees, and how."""

    size: int = Field(256, ge=16, description="Height of the picture, in pixels.")
    aspect: float | str | None = Field(
        1.0,
        description="Width over height of the picture; focus: of what the conditioner found; null: of the frames.",
    )
    crop: Literal["focus", "whole"] = Field(
        "focus", description="focus: close around what the conditioner found; whole: all that fits, from the middle."
    )
    shift: float = Field(
        0.0, ge=0, le=0.5, description="Augmentation: largest random shift of a clip, as a part of the size."
    )
    zoom: float = Field(0.0, ge=0, le=0.5, description="Augmentation: largest random change of scale of a clip.")

    @field_validator("aspect")
    @classmethod
    def _is_shape(cls, value: float | str | None) -> float | str | None:
        low, high = ASPECTS
        if value not in (None, "focus") and not (isinstance(value, float) and low <= value <= high):
            raise ValueError(f"should be a number from {low:g} to {high:g}, focus or null")
        return value

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
