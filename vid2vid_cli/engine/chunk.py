"""A chunk: the frames of a clip that are generated between two updates of the weights, with their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from vid2vid_cli.core.types import FrameOutput, ReferenceFlow
from vid2vid_cli.ops.crop import crop_boxes

RealFakePairs = dict[str, tuple[Tensor, Tensor]]
"""Discriminator name -> its real and its generated input."""


@dataclass(frozen=True)
class DiscriminatorInputFormat:
    """How conditions and frames are concatenated for the image and region discriminators."""

    condition_scale: float
    """Factor on the condition channels."""
    condition_range: tuple[int, int]
    """Value range of the conditions before scaling: (-1, 1) or (0, 1)."""

    def concatenate(self, conditions: Tensor, image: Tensor) -> Tensor:
        """(n, c, h, w), (n, 3, h, w) -> (n, c + 3, h, w)."""
        return torch.cat([self.scale(conditions, image.dtype), image], 1)

    def scale(self, conditions: Tensor, dtype: torch.dtype) -> Tensor:
        """The conditions in the range and with the factor of the discriminators."""
        if not conditions.is_floating_point():
            conditions = conditions.to(dtype)
        if self.condition_range == (0, 1):
            conditions = (conditions + 1) / 2
        return conditions if self.condition_scale == 1 else self.condition_scale * conditions


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Generated frames of a chunk and their targets; n = t * b frames, oldest first.

    Tensors about motion have k <= n entries, for the last k frames: the first frame of a clip has no predecessor.
    """

    conditions: Tensor
    """(n, c, h, w)"""
    real: Tensor
    """(n, 3, h, w)"""
    image: Tensor
    """(n, 3, h, w)"""
    raw: Tensor
    """(n, 3, h, w)"""
    synthesised: Tensor | None = None
    """(n, 3, h, w) of a model with references, see `FrameOutput`."""
    flow: Tensor | None
    """(k, 2, h, w) in pixels; None for a model without flow."""
    occlusion: Tensor | None
    """(k, 1, h, w)"""
    prev_real: Tensor
    """(k, 3, h, w) previous real frames."""
    prev_fake: Tensor
    """(k, 3, h, w) previous generated frames, detached."""
    reference_flow: Tensor
    """(k, 2, h, w) in pixels."""
    confidence: Tensor
    """(k, 1, h, w) of the reference flow."""
    region_boxes: Mapping[str, Tensor] = field(default_factory=dict)
    """Region name -> boxes (n, r, 4)."""
    input_format: DiscriminatorInputFormat

    @property
    def fake_images(self) -> list[Tensor]:
        """Inputs of the image discriminator: final and raw images, which are the same for a model without flow."""
        return [self.image, self.raw] if self.flow is not None else [self.image]

    @cached_property
    def discriminator_conditions(self) -> Tensor:
        """(n, c, h, w) conditions as the image discriminator gets them with `real` or one of `fake_images`."""
        conditions = self.input_format.scale(self.conditions, self.real.dtype)
        # Converted once, not in each pass, see `MultiScaleDiscriminator.forward`.
        is_cpu = conditions.device.type == "cpu"
        return conditions.contiguous(memory_format=torch.channels_last) if is_cpu else conditions

    def region_crops(self, names: Sequence[str], crop_size: int) -> RealFakePairs:
        """Square crops of conditions with real and with final images, by region name.

        Regions that are detected on no frame of the chunk are left out.
        """
        pairs: RealFakePairs = {}
        for name in names:
            boxes = self.region_boxes[name]
            conditions, real, fake = (
                crop_boxes(images, boxes, crop_size) for images in (self.conditions, self.real, self.image)
            )
            if conditions is not None and real is not None and fake is not None:
                pairs[name] = (
                    self.input_format.concatenate(conditions, real),
                    self.input_format.concatenate(conditions, fake),
                )
        return pairs


def gather_chunk(
    outputs: Sequence[FrameOutput],
    *,
    start: int,
    conditions: Tensor,
    frames: Tensor,
    fakes: Tensor,
    reference_flow: ReferenceFlow | None,
    region_boxes: Mapping[str, Tensor],
    input_format: DiscriminatorInputFormat,
) -> Chunk:
    """Gather frames `start` to `start + len(outputs)` of a clip.

    `conditions`, `frames`, `reference_flow` and `region_boxes` (b, t, r, 4) are those of the whole clip; `fakes`
    (b, t', 3, h, w) are all frames generated so far. Without reference flow, k is 0.
    """
    stop = start + len(outputs)
    flow_start = max(start, 1) if reference_flow is not None else stop
    flow_slice, previous_slice = slice(flow_start, stop), slice(flow_start - 1, stop - 1)

    def flatten_time(tensor: Tensor) -> Tensor:
        return tensor.transpose(0, 1).flatten(0, 1)

    flows = [output.flow for output in outputs if output.flow is not None]
    synthesised = [output.synthesised for output in outputs if output.synthesised is not None]
    occlusions = [output.occlusion for output in outputs if output.occlusion is not None]
    flow_clip = frames[:, :, :2] if reference_flow is None else reference_flow.flow
    confidence_clip = frames[:, :, :1] if reference_flow is None else reference_flow.confidence
    return Chunk(
        conditions=flatten_time(conditions[:, start:stop]),
        real=flatten_time(frames[:, start:stop]),
        image=torch.cat([output.image for output in outputs]),
        raw=torch.cat([output.raw for output in outputs]),
        synthesised=torch.cat(synthesised) if synthesised else None,
        flow=torch.cat(flows) if flows else None,
        occlusion=torch.cat(occlusions) if occlusions else None,
        prev_real=flatten_time(frames[:, previous_slice]),
        prev_fake=flatten_time(fakes[:, previous_slice].detach()),
        reference_flow=flatten_time(flow_clip[:, flow_slice]),
        confidence=flatten_time(confidence_clip[:, flow_slice]),
        region_boxes={name: flatten_time(boxes[:, start:stop]) for name, boxes in region_boxes.items()},
        input_format=input_format,
    )
