"""Some of many annotations, for statistics that need not look at all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vid2vid_cli.conditioning.conditioner import Annotation

SAMPLES = 96
"""As many as statistics of pictures look at: reading each takes as long as a tenth of finding it."""


def spread(annotations: Sequence[Annotation], most: int = SAMPLES) -> Iterator[Annotation]:
    """Those of `most` evenly spaced ones on which something was found; all such ones where that is none of them.

    One at a time is held, however large their pictures are.
    """
    found = False
    for number in np.linspace(0, len(annotations) - 1, min(most, len(annotations))).round().astype(int):
        one = annotations[int(number)]
        if one.quality > 0:
            found = True
            yield one
    if not found and len(annotations) > most:
        yield from (one for one in annotations if one.quality > 0)
