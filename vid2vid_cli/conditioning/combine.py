"""Several conditioners at once: those of a dataset or a checkpoint, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.registry import load_conditioner

Picture = NDArray[np.uint8]

if TYPE_CHECKING:
    from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
    from vid2vid_cli.core.geometry import View


def load_conditioners(uses: Sequence[tuple[str, dict[str, Any]]]) -> tuple[Conditioner, ...]:
    """Each with its options. Raises PluginError, ConfigError."""
    return tuple(load_conditioner(name, options) for name, options in uses)


def names_of(conditioners: Iterable[Conditioner]) -> str:
    """For people: `pose and edges`."""
    return " and ".join(conditioner.spec.name for conditioner in conditioners)


def merged_statistics(all_statistics: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The first focus that any conditioner names."""
    return next(({"focus": found["focus"]} for found in all_statistics if found.get("focus")), {})


def condition_picture(
    conditioners: Sequence[Conditioner], annotations: Sequence[Annotation], views: Sequence[View]
) -> Picture:
    """The conditions of one frame for people; several conditioners one over the other, the brighter pixel wins."""
    drawn = [c.picture(a, view) for c, a, view in zip(conditioners, annotations, views, strict=True)]
    picture = drawn[0]
    for other in drawn[1:]:
        picture = np.maximum(picture, other)
    return picture
