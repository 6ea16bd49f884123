"""Records of one frame on its way through rendering, and the annotation that replaces a missing detection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from vid2vid_cli.conditioning import Annotation, Conditioner
from vid2vid_cli.core.geometry import ImageArray, View
from vid2vid_cli.media.images import Image, view_image
from vid2vid_cli.requests.render import Layer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class OriginalFrame:
    """A frame of a source before it is cropped and retargeted, on which a result is pasted."""

    image: ImageArray
    """(h, w, 3) uint8 RGB, at the full size of the source if the video is written at that size."""
    annotations: tuple[Annotation, ...]
    """One per conditioner, in pixels of the frames that are annotated, which may be smaller."""


@dataclass(frozen=True)
class AnnotatedFrame:
    """One frame of a source with its annotations."""

    frame: ImageArray | None
    """(h, w, 3) uint8 RGB; None if the source has no images, such as label files."""
    is_cut: bool
    """Whether the frame starts a new shot."""
    annotations: tuple[Annotation, ...]
    """One per conditioner."""
    quality: tuple[float, ...] = ()
    """Quality of each detection, 0 where the last annotation is repeated; () if it is not recorded."""
    original: OriginalFrame | None = None
    """None unless the result is pasted on it."""
    crop: View | None = None
    """Through which the frame is shown; None: the whole frame."""

    @cached_property
    def cropped_frame(self) -> ImageArray | None:
        """`frame` through `crop`. Computed when it is first read: only a comparison video shows it on most frames."""
        return self.frame if self.frame is None or self.crop is None else view_image(self.frame, self.crop)


@dataclass(frozen=True)
class RenderedFrame:
    """One generated frame and the source frame that it was generated from."""

    source: AnnotatedFrame
    image: Image
    """(h, w, 3) RGB, uint8 or uint16."""
    layers: Mapping[Layer, ImageArray] = field(default_factory=dict)
    """The requested layers, see `layer_image`."""
    synthesised_share: float | None = None
    """Mean of the occlusion mask; None for a model without flow and for the first frame of a clip."""
    past: tuple[Tensor, ...] = ()
    """The frames (1, n, 3, h, w) at each scale, finest first, that the next frame is generated from."""


def is_missing(annotation: Annotation, conditioner: Conditioner) -> bool:
    """Whether the annotation has no detection. A label map without a subject is complete and does not count."""
    return annotation.quality == 0 and conditioner.spec.output != "labels"


def hold_last_annotation(
    annotations: Sequence[Annotation], last_annotations: list[Annotation], conditioners: Sequence[Conditioner]
) -> tuple[Annotation, ...]:
    """The annotations with missing detections replaced by the last ones; updates `last_annotations`."""
    for index, (annotation, conditioner) in enumerate(zip(annotations, conditioners, strict=True)):
        if not is_missing(annotation, conditioner):
            last_annotations[index] = annotation
    return tuple(last_annotations)


def detection_quality(annotations: Sequence[Annotation], conditioners: Sequence[Conditioner]) -> tuple[float, ...]:
    """The quality of each annotation; 1 for a label map without a subject, which is complete."""
    return tuple(
        0.0 if is_missing(annotation, conditioner) else annotation.quality or 1.0
        for annotation, conditioner in zip(annotations, conditioners, strict=True)
    )
