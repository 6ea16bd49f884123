"""The nouns of the engine, and the legend of all axes and units.

Axes: b clip in the batch | t frame in the clip | l frame in the window | p past frame | c condition channel | h, w.
Frames are float RGB in [-1, 1]. Conditions are float in [-1, 1].
Flow is in pixels at its own resolution, channels (dx, dy), backward:
    warp(previous, flow)[y, x] = previous[y + dy, x + dx], align_corners=True, border padding.
Occlusion m: 1 = synthesise, 0 = trust the warp: final = m * raw + (1 - m) * warp(previous, flow).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

FLOW_UNIT = 20.0
"""Pixels of flow that a network's output or input of 1 stands for (vid2vid scales flow by 20)."""


class ShapeError(ValueError):
    """A tensor that does not have the axes its name promises: a bug, never the user's fault."""


def check_shape(name: str, tensor: Tensor, axes: str, **known: int) -> dict[str, int]:
    """Check `tensor` against axes such as "b t 3 h w" and return the size of each named axis.

    Raises ShapeError where the number of axes, a literal size or a size in `known` differs.
    """
    names = axes.split()
    shape = tuple(tensor.shape)
    if len(names) != len(shape):
        raise ShapeError(f"{name}: should have the axes ({axes}), got {shape}")
    for axis, size in zip(names, shape, strict=True):
        wanted = int(axis) if axis.isdigit() else known.setdefault(axis, size)
        if size != wanted:
            raise ShapeError(f"{name}: axis {axis!r} should be {wanted}, got {shape}")
    return known


@dataclass(frozen=True)
class ClipBatch:
    """Clips of equal length: what training draws."""

    conditions: Tensor
    """(b, t, c, h, w) in [-1, 1]; where all is -1, 0 or 1 also int8, until it is on its device."""
    frames: Tensor
    """(b, t, 3, h, w); or what else is to be drawn, (b, t, k, h, w) in [-1, 1]."""
    regions: Mapping[str, Tensor] = field(default_factory=dict)
    """Name -> boxes (b, t, r, 4) in pixels of the picture, edge coordinates, NaN where not found. They stay where they
    are: what is cut where is decided on the CPU, and a GPU would only be waited for."""
    instances: Tensor | None = None
    """(b, t, h, w) int64: the object that each pixel belongs to, the same on all frames of a clip; negative: none."""
    watched: Tensor | None = None
    """(b, t, 3, h, w) the pictures that things move in, where `frames` are none."""

    @property
    def pictures(self) -> Tensor:
        """(b, t, 3, h, w) what a flow teacher looks at."""
        return self.frames if self.watched is None else self.watched

    def of_labels(self) -> ClipBatch:
        """The conditions as what is to be drawn, from their past alone."""
        return replace(self, conditions=self.conditions[:, :, :0], frames=self.conditions.float(), watched=self.frames)

    def __post_init__(self) -> None:
        seen = check_shape("conditions", self.conditions, "b t c h w")
        check_shape("frames", self.frames, "b t k h w", **{axis: seen[axis] for axis in "bthw"})
        name = "frames" if self.watched is None else "watched"
        check_shape(name, self.pictures, "b t 3 h w", **{axis: seen[axis] for axis in "bthw"})
        for name, boxes in self.regions.items():
            check_shape(f"regions[{name!r}]", boxes, "b t r 4", b=seen["b"], t=seen["t"])
        if self.instances is not None:
            check_shape("instances", self.instances, "b t h w", **{axis: seen[axis] for axis in "bthw"})

    def to(self, mover: object) -> ClipBatch:
        """The same clips on another device, the conditions float."""
        instances = None if self.instances is None else self.instances.to(mover)  # type: ignore[call-overload]
        return replace(
            self,
            conditions=self.conditions.to(mover).float(),  # type: ignore[call-overload]
            frames=self.frames.to(mover),  # type: ignore[call-overload]
            instances=instances,
            watched=None if self.watched is None else self.watched.to(mover),  # type: ignore[call-overload]
        )


@dataclass(frozen=True)
class StyleShape:
    """The numbers of a style encoder."""

    features: int
    width: int
    downsamples: int


@dataclass(frozen=True)
class ConditionLayout:
    """What a generator must know of the condition channels that it will see."""

    channels: int
    foreground: tuple[int, ...] = ()
    """The channels of the classes that a foreground branch draws."""
    style: StyleShape | None = None
    """Of the encoder whose features are the last channels that a generator, and no discriminator, is shown."""

    @property
    def shown(self) -> int:
        """All channels that a generator is shown: of the conditions, and of the styles."""
        return self.channels + (self.style.features if self.style is not None else 0)


@dataclass(frozen=True)
class FrameOutput:
    """Everything the generator says about one frame."""

    image: Tensor
    """(b, 3, h, w) the final blend."""
    raw: Tensor
    """(b, 3, h, w) as synthesised, before blending."""
    flow: Tensor | None = None
    """(b, 2, h, w) pixels; None for a model without flow and on a first frame."""
    occlusion: Tensor | None = None
    """(b, 1, h, w); None like flow."""
    coarse: tuple[Tensor, ...] = ()
    """(b, 3, h', w') the blends of the coarser scales, each half as large, rounded up; the next coarser first."""


@dataclass(frozen=True)
class Flow:
    """Reference flow of a clip at one frame rate, and how far to trust it."""

    flow: Tensor
    """(b, t, 2, h, w) from frame i to frame i - rate, pixels; zero where i < rate."""
    confidence: Tensor
    """(b, t, 1, h, w) in {0, 1}; zero where i < rate."""
