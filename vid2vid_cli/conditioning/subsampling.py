"""Annotations without a detection, and the selection of annotations with one for statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vid2vid_cli.conditioning.conditioner import Annotation
from vid2vid_cli.core.indices import evenly_spaced

MAX_STATISTICS_SAMPLES = 96
"""Images that statistics read at most: reading one takes about a tenth of the time of its detection."""


def subsample(annotations: Sequence[Annotation], max_samples: int = MAX_STATISTICS_SAMPLES) -> Iterator[Annotation]:
    """Yield those of `max_samples` evenly spaced annotations that have a detection.

    If none of these has a detection, yield every annotation that has one. Only one annotation is held at a time.
    """
    has_detection = False
    for index in evenly_spaced(len(annotations), max_samples):
        annotation = annotations[index]
        if annotation.quality > 0:
            has_detection = True
            yield annotation
    if not has_detection and len(annotations) > max_samples:
        yield from (annotation for annotation in annotations if annotation.quality > 0)


def empty_annotation(height: int, width: int, shapes: Mapping[str, tuple[int, int]]) -> Annotation:
    """Return an annotation without detections: all points NaN, quality 0."""
    points = {name: np.full(shape, np.nan, dtype=np.float32) for name, shape in shapes.items()}
    return Annotation(height, width, 0.0, points)
