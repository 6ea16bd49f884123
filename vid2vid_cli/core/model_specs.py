"""Properties of models that are known without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["a2b", "b2a"]
"""Direction of an unpaired model, from its domain A to B or back."""
DIRECTIONS: tuple[Direction, ...] = ("a2b", "b2a")


def opposite(direction: Direction) -> Direction:
    """The other direction."""
    return "b2a" if direction == "a2b" else "a2b"


@dataclass(frozen=True)
class StyleEncoderSpec:
    """Architecture of a style encoder."""

    feature_channels: int
    base_channels: int
    num_downsamples: int


@dataclass(frozen=True)
class ConditionSpec:
    """Condition channels of a generator."""

    channels: int
    foreground_indices: tuple[int, ...] = ()
    """Condition channels of the classes that the foreground branch generates."""
    style_encoder: StyleEncoderSpec | None = None
    """Style encoder whose features are appended to the generator's conditions, not to the discriminators'; or None."""

    @property
    def input_channels(self) -> int:
        """Input channels of the generator: conditions and styles."""
        return self.channels + (self.style_encoder.feature_channels if self.style_encoder is not None else 0)
