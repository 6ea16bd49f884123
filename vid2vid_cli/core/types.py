"""Shared types, and the legend of all axes and units.

Axes: b clip in the batch | t frame in the clip | l frame in the window | p past frame | c condition channel | h, w.
Frames are float RGB in [-1, 1]. Conditions are float in [-1, 1].
Flow is in pixels at its own resolution, channels (dx, dy), backward:
    warp(previous, flow)[y, x] = previous[y + dy, x + dx], align_corners=True, border padding.
Occlusion m: 1 = synthesise, 0 = trust the warp: final = m * raw + (1 - m) * warp(previous, flow).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace

import torch
from torch import Tensor

FLOW_MULTIPLIER = 20.0
"""Pixels of flow per unit of a network input or output (vid2vid scales flow by 20)."""


class ShapeError(ValueError):
    """A tensor has the wrong shape: a bug in the calling code, not a user error."""


def check_shape(name: str, tensor: Tensor, axes: str, **sizes: int) -> dict[str, int]:
    """Check `tensor` against axes such as "b t 3 h w" and return the size of each named axis.

    Raises ShapeError if the number of axes, a literal size or a size in `sizes` differs.
    """
    axis_names = axes.split()
    shape = tuple(tensor.shape)
    if len(axis_names) != len(shape):
        raise ShapeError(f"{name}: should have the axes ({axes}), got {shape}")
    for axis, size in zip(axis_names, shape, strict=True):
        expected_size = int(axis) if axis.isdigit() else sizes.setdefault(axis, size)
        if size != expected_size:
            raise ShapeError(f"{name}: axis {axis!r} should be {expected_size}, got {shape}")
    return sizes


@dataclass(frozen=True)
class EmbeddedStaticReferences:
    """What a generator computes from references without alignment: the same for all frames that have them."""

    embeddings: Tensor
    """(b n, c, h', w') as in `EmbeddedReferences`, the part of `FrameReferences.static_images`."""
    means: Tensor
    """(b, n, 3, h', w') mean colours of the patches."""


@dataclass(frozen=True)
class EmbeddedReferences:
    """What a generator computes from the references of a frame alone, before the condition and the past are known."""

    grid: Tensor
    """(b n, h, w, 2) positions for `grid_sample` at each pixel of the frame."""
    embeddings: Tensor
    """(b, n, c, h', w') of the aligned references; h' and w' count patches of the padded frame."""
    mean: Tensor
    """(b, c, h', w') of the embeddings, weighted by `FrameReferences.weights`."""
    static_means: Tensor
    """`EmbeddedStaticReferences.means`"""


@dataclass(frozen=True)
class FrameReferences:
    """Reference frames for one generated frame, and where each of its pixels is found in them."""

    images: Tensor
    """(b, n, 3, H, W) in [-1, 1] at their own resolution."""
    static_images: Tensor
    """(b, n, 3, h, w) the same frames without alignment, in the view of the generated frame."""
    positions: Tensor
    """(b, n, 2, gh, gw) x and y in [-1, 1] of `grid_sample` (align_corners=True), every GRID_STEP pixels of the frame,
    see `core.geometry` and `conditioning.alignment`."""
    weights: Tensor
    """(b, n) shares of the references with the sum 1; below 1 / n while a reference is faded in or out."""
    log_weights: Tensor
    """(b, n, 2, gh, gw) prior log weights of the reference with and without alignment, where that of the synthesised
    image is 0; every GRID_STEP pixels of the frame. Of equal weights 0."""
    _: KW_ONLY
    embedded: EmbeddedReferences | None = None
    """Computed ahead by the generator that gets these references; None: it computes them itself."""


@dataclass(frozen=True)
class ClipReferences:
    """Reference frames for each frame of a batch of clips."""

    images: Tensor
    """(b, k, 3, H, W) as in `FrameReferences`; uint8 until `to` converts them."""
    static_images: Tensor
    """(b, k, 3, h, w) as in `FrameReferences`; uint8 until `to` converts them."""
    indices: Tensor
    """(b, t, n) int64 rows of `images` for each frame."""
    positions: Tensor
    """(b, t, n, 2, gh, gw) as in `FrameReferences`."""
    weights: Tensor
    """(b, t, n)"""
    log_weights: Tensor
    """(b, t, n, 2, gh, gw)"""

    def unbind(self) -> Iterator[FrameReferences]:
        """The references of each frame of the clips."""
        rows = torch.arange(len(self.images), device=self.images.device)[:, None]
        frames = (tensor.unbind(1) for tensor in (self.indices, self.positions, self.weights, self.log_weights))
        for indices, *others in zip(*frames, strict=True):
            yield FrameReferences(self.images[rows, indices], self.static_images[rows, indices], *others)

    def to(self, device: object) -> ClipReferences:
        """The references on another device, with float images."""
        images, static_images, *others = (
            tensor.to(device)  # type: ignore[call-overload]
            for tensor in (
                self.images, self.static_images, self.indices, self.positions, self.weights, self.log_weights
            )
        )  # fmt: skip
        return ClipReferences(to_float_image(images), to_float_image(static_images), *others)

    @staticmethod
    def concatenate(clips: Sequence[ClipReferences]) -> ClipReferences:
        """The references of clips of equal length and equal numbers of references as one batch."""
        return ClipReferences(
            torch.cat([clip.images for clip in clips]),
            torch.cat([clip.static_images for clip in clips]),
            torch.cat([clip.indices for clip in clips]),
            torch.cat([clip.positions for clip in clips]),
            torch.cat([clip.weights for clip in clips]),
            torch.cat([clip.log_weights for clip in clips]),
        )


def to_float_image(image: Tensor) -> Tensor:
    """uint8 -> float in [-1, 1]; float tensors are unchanged."""
    return image if image.is_floating_point() else image.float().div_(127.5).sub_(1)


@dataclass(frozen=True)
class ClipBatch:
    """A batch of clips of equal length."""

    conditions: Tensor
    """(b, t, c, h, w) in [-1, 1]; int8 if all values are -1, 0 or 1, until `to` converts them."""
    frames: Tensor
    """(b, t, 3, h, w) real frames; (b, t, k, h, w) in [-1, 1] for label prediction."""
    _: KW_ONLY
    regions: Mapping[str, Tensor] = field(default_factory=dict)
    """Region name -> boxes (b, t, r, 4) in pixels, edge coordinates, NaN if not detected. They stay on the CPU: crop
    positions are computed there, which avoids a GPU synchronisation."""
    instances: Tensor | None = None
    """(b, t, h, w) int64 instance id of each pixel, constant over a clip; negative: no instance."""
    rgb_frames: Tensor | None = None
    """(b, t, 3, h, w) real frames for optical flow if `frames` are label maps."""
    references: ClipReferences | None = None
    """Reference frames of a generator that has them as inputs."""
    attributes: Tensor | None = None
    """(b, t, k) attributes of the frames in [-1, 1], for a generator that has them as inputs."""

    @property
    def rgb(self) -> Tensor:
        """(b, t, 3, h, w) the input of the flow estimator."""
        return self.frames if self.rgb_frames is None else self.rgb_frames

    def as_label_prediction(self) -> ClipBatch:
        """Label-prediction batch: the conditions become the target and the condition channels are dropped."""
        return replace(
            self, conditions=self.conditions[:, :, :0], frames=self.conditions.float(), rgb_frames=self.frames
        )

    def __post_init__(self) -> None:
        sizes = check_shape("conditions", self.conditions, "b t c h w")
        check_shape("frames", self.frames, "b t k h w", **{axis: sizes[axis] for axis in "bthw"})
        name = "frames" if self.rgb_frames is None else "rgb_frames"
        check_shape(name, self.rgb, "b t 3 h w", **{axis: sizes[axis] for axis in "bthw"})
        for name, boxes in self.regions.items():
            check_shape(f"regions[{name!r}]", boxes, "b t r 4", b=sizes["b"], t=sizes["t"])
        if self.attributes is not None:
            check_shape("attributes", self.attributes, "b t k", b=sizes["b"], t=sizes["t"])
        if self.instances is not None:
            check_shape("instances", self.instances, "b t h w", **{axis: sizes[axis] for axis in "bthw"})

    def to(self, device: object) -> ClipBatch:
        """The batch on another device, with float conditions."""
        instances = None if self.instances is None else self.instances.to(device)  # type: ignore[call-overload]
        return replace(
            self,
            conditions=self.conditions.to(device).float(),  # type: ignore[call-overload]
            frames=self.frames.to(device),  # type: ignore[call-overload]
            instances=instances,
            rgb_frames=None if self.rgb_frames is None else self.rgb_frames.to(device),  # type: ignore[call-overload]
            references=None if self.references is None else self.references.to(device),
            attributes=None if self.attributes is None else self.attributes.to(device),  # type: ignore[call-overload]
        )


@dataclass(frozen=True)
class FrameOutput:
    """Generator output for one frame."""

    image: Tensor
    """(b, 3, h, w) the final blended image."""
    raw: Tensor
    """(b, 3, h, w) the synthesised image before blending."""
    _: KW_ONLY
    flow: Tensor | None = None
    """(b, 2, h, w) in pixels; None for a model without flow and for the first frame of a clip."""
    occlusion: Tensor | None = None
    """(b, 1, h, w); None if `flow` is None."""
    reference_weights: Tensor | None = None
    """(b, 2 n + 1, h, w) weights with the sum 1 of each reference, aligned and as it is, and of the synthesised image;
    without gradients; in synthesis those of the detail. None for a model without references."""
    synthesised: Tensor | None = None
    """(b, 3, h, w) of a model with references in training: the image that `raw` blends with them."""
    coarse_images: tuple[Tensor, ...] = ()
    """(b, 3, h', w') final images of the coarser scales, each half as large, rounded up; the next coarser first."""


@dataclass(frozen=True)
class ReferenceFlow:
    """Reference flow of a clip at one frame stride, and its confidence."""

    flow: Tensor
    """(b, t, 2, h, w) from frame i to frame i - stride, pixels; zero if i < stride."""
    confidence: Tensor
    """(b, t, 1, h, w) in {0, 1}; zero if i < stride."""
