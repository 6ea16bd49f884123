"""Conditions found again: does a generated picture show what it was made from, in each conditioner's own measure?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from vid2vid_cli.conditioning import Annotation, Conditioner, View, view_image
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.conditioning.requirements import check_conditioners
from vid2vid_cli.core.errors import MissingPackageError, MissingWeightsError
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.engine.checkpoint import ConditionerUse
from vid2vid_cli.engine.events import Noticed, Tell
from vid2vid_cli.engine.inference import to_picture
from vid2vid_cli.training_data.training_data import of_other_footage

Measured = dict[str, tuple[float, float]]
"""Name -> mean, and the frames it is the mean of."""


def refinders(uses: Sequence[ConditionerUse], tell: Tell) -> list[Conditioner]:
    """Those conditioners of a checkpoint that can measure distances and have what they need to find things.

    What is left out is told.
    """
    made = []
    for conditioner in load_conditioners([(use.name, of_other_footage(use)) for use in uses]):
        if type(conditioner).distances is Conditioner.distances:
            continue
        try:
            check_conditioners([conditioner])
        except (MissingPackageError, MissingWeightsError) as error:
            tell(Noticed(f"{conditioner.spec.name} is not looked for again: {error.message} {error.hint}"))
            continue
        made.append(conditioner)
    return made


def refind(
    conditioners: Sequence[Conditioner],
    dataset: Dataset,
    span: Span,
    view: View,
    pictures: Mapping[str, Tensor],
) -> Measured:
    """Distances between what is found on pictures of a stretch, and what those were made from.

    `pictures`: what is added to a name -> (t, 3, h, w); such as {"": generated, "_real": the real frames}, the second
    being the least that can be expected. Of each conditioner also the share of frames on which a distance could be
    measured, `<conditioner>_found`.
    """
    measured: Measured = {}
    for conditioner in conditioners:
        name = conditioner.spec.name
        wanted = [in_picture(one, view) for one in dataset.annotations([span], name)]
        for ending, frames in pictures.items():
            again = conditioner.annotate([to_picture(frame) for frame in frames])
            found = [conditioner.distances(one, want) for one, want in zip(again, wanted, strict=True)]
            for key in dict.fromkeys(key for distances in found for key in distances):
                values = [distances[key] for distances in found if key in distances]
                measured[f"{key}{ending}"] = float(np.mean(values)), len(values)
            measured[f"{name}_found{ending}"] = float(np.mean([bool(distances) for distances in found])), len(found)
    return measured


def in_picture(annotation: Annotation, view: View) -> Annotation:
    """The annotation of a frame in pixels of the picture that a view makes of it."""
    points = {
        name: np.concatenate([view.points(values[:, :2]), values[:, 2:]], axis=1)
        for name, values in annotation.points.items()
    }
    images = {name: view_image(image, view, nearest=True) for name, image in annotation.images.items()}
    return Annotation(view.height, view.width, annotation.quality, points, images)
