"""Functions on the combined conditioners of a dataset or checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner, LabelClass
from vid2vid_cli.conditioning.registry import load_conditioner, load_conditioner_class
from vid2vid_cli.core.geometry import ImageArray, View

WHOLE_IMAGE_CLASS = LabelClass(0, "image", (128, 128, 128))
"""The only class if no conditioner has classes: the whole image."""
MAX_MISSING_SHARE = 0.5
"""Share of the parts of a subject, over all frames, above which the missing parts are reported."""


def load_conditioners(conditioner_configs: Sequence[tuple[str, dict[str, Any]]]) -> tuple[Conditioner, ...]:
    """Return a conditioner for each (name, options) of a dataset or checkpoint, which may lack newer options.

    Raises: PluginError, ConfigError.
    """
    return tuple(
        load_conditioner(name, {**load_conditioner_class(name).Options.legacy_values, **options})
        for name, options in conditioner_configs
    )


def join_names(conditioners: Iterable[Conditioner]) -> str:
    """Return the names as readable text, such as `pose and edges`."""
    return " and ".join(conditioner.spec.name for conditioner in conditioners)


def label_conditioner_index(conditioners: Sequence[Conditioner]) -> int | None:
    """Return the index of the first conditioner whose label maps define the objects; None if there is none."""
    indices = (
        index
        for index, conditioner in enumerate(conditioners)
        if conditioner.spec.output == "labels" and conditioner.classes()
    )
    return next(indices, None)


def instance_classes(conditioners: Sequence[Conditioner]) -> tuple[LabelClass, ...]:
    """Return the classes of the first conditioner with label classes, or the single class `image`."""
    conditioner_index = label_conditioner_index(conditioners)
    return (WHOLE_IMAGE_CLASS,) if conditioner_index is None else conditioners[conditioner_index].classes()


def merge_statistics(all_statistics: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the first `subject_box` of any conditioner."""
    boxes = (statistics["subject_box"] for statistics in all_statistics if statistics.get("subject_box"))
    return next(({"subject_box": box} for box in boxes), {})


def describe_missing_parts(conditioner: Conditioner, annotations: Iterable[Annotation]) -> str:
    """Return the parts of the subject that most annotations lack, as text; "" if most parts are present.

    Annotations without a detection are ignored.
    """
    num_detected, counts = 0, Counter[str]()
    for annotation in annotations:
        if annotation.quality > 0:
            num_detected += 1
            counts.update(conditioner.missing_parts(annotation))
    if counts.total() <= MAX_MISSING_SHARE * num_detected * len(conditioner.part_names):
        return ""
    return ", ".join(name for name in conditioner.part_names if counts[name] > num_detected / 2)


def condition_image(
    conditioners: Sequence[Conditioner], annotations: Sequence[Annotation], views: Sequence[View]
) -> ImageArray:
    """Return the visualisation of one frame's conditions; several conditioners are combined by the pixel maximum."""
    images = [
        conditioner.visualize(annotation, view)
        for conditioner, annotation, view in zip(conditioners, annotations, views, strict=True)
    ]
    combined = images[0]
    for image in images[1:]:
        combined = np.maximum(combined, image)
    return combined
