"""Where the regions of a clip are that are judged close by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vid2vid_cli.conditioning import Annotation, Conditioner, View


def offered(conditioners: Sequence[Conditioner]) -> tuple[str, ...]:
    """The names of all regions that some conditioners may find, each once."""
    return tuple(dict.fromkeys(name for conditioner in conditioners for name in conditioner.offers))


def region_boxes(
    conditioners: Sequence[Conditioner],
    annotations: Sequence[Sequence[Annotation]],
    view: View,
    names: Sequence[str],
) -> dict[str, Tensor]:
    """Name -> boxes (1, t, r, 4) in pixels of the picture, NaN where not found, for a batch of one clip.

    `annotations` are each conditioner's, frame by frame, as they were found: what augmentation leaves out of the
    condition is still in the frame. A region is looked up at the first conditioner that offers it.
    """
    found: dict[str, Tensor] = {}
    for conditioner, frames in zip(conditioners, annotations, strict=True):
        wanted = [name for name in names if name in conditioner.offers and name not in found]
        regions = [conditioner.regions(one, view) for one in frames] if wanted else []
        found |= {name: torch.from_numpy(np.stack([each[name] for each in regions]))[None] for name in wanted}
    return found
