"""Records of one frame on its way through rendering, and the annotation that replaces a missing detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vid2vid_cli.conditioning import Annotation, Conditioner
from vid2vid_cli.core.geometry import ImageArray


@dataclass(frozen=True)
class AnnotatedFrame:
    """One frame of a source with its annotations."""

    frame: ImageArray | None
    """(h, w, 3) uint8 RGB; None if the source has no images, such as label files."""
    is_cut: bool
    """Whether the frame starts a new shot."""
    annotations: tuple[Annotation, ...]
    """One per conditioner."""


@dataclass(frozen=True)
class RenderedFrame:
    """One generated frame and the source frame that it was generated from."""

    source: AnnotatedFrame
    image: ImageArray
    """(h, w, 3) uint8 RGB."""


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
