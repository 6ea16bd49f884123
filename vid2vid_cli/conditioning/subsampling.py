"""A few annotations of a clip, for statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vid2vid_cli.conditioning.conditioner import Annotation

MAX_STATISTICS_SAMPLES = 96
"""Images that statistics read at most: reading one takes about a tenth of the time of its detection."""


def subsample(annotations: Sequence[Annotation], max_samples: int = MAX_STATISTICS_SAMPLES) -> Iterator[Annotation]:
    """Yield those of `max_samples` evenly spaced annotations that have a detection.

    If none of these has a detection, yield every annotation that has one. Only one annotation is held at a time.
    """
    has_detection = False
    for index in np.linspace(0, len(annotations) - 1, min(max_samples, len(annotations))).round().astype(int):
        annotation = annotations[int(index)]
        if annotation.quality > 0:
            has_detection = True
            yield annotation
    if not has_detection and len(annotations) > max_samples:
        yield from (annotation for annotation in annotations if annotation.quality > 0)
