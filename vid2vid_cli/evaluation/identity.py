"""The distance of identities: whether generated images show the person or subject of the real frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from vid2vid_cli.conditioning import Annotation, Conditioner, Identifier
from vid2vid_cli.conditioning.plugin_calls import plugin_call
from vid2vid_cli.conditioning.plugin_candidates import import_attribute
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.evaluation.measured import FrameValues, Measured, measured_frames

PREFIX = "identity_distance_"


@dataclass(frozen=True)
class IdentityMetric:
    """The identifier of a conditioner."""

    conditioner: str
    identifier: Identifier

    @property
    def name(self) -> str:
        """Name of the metric."""
        return PREFIX + self.identifier.name


def load_identity_metric(conditioners: Sequence[Conditioner]) -> IdentityMetric | str:
    """The metric of the first conditioner that tells identities apart, or why there is none, with a command."""
    problem = "no conditioner of the model tells subjects apart; landmarks does"
    for conditioner in conditioners:
        spec = conditioner.spec
        if not spec.identifier:
            continue
        with plugin_call(spec.name, "identifier"):
            identifier = import_attribute(spec.identifier)()  # type: ignore[operator]
        if isinstance(identifier, Identifier):
            return IdentityMetric(spec.name, identifier)
        problem = f"a network that tells subjects apart is not installed: {identifier}"
    return problem


class ClipIdentities:
    """The identities on a clip. Those of the real frames are computed once."""

    def __init__(self, metric: IdentityMetric, real_frames: Tensor, annotations: Sequence[Annotation]) -> None:
        """`real_frames` (t, 3, h, w) with their annotations, in pixels of the images."""
        self._metric, self._real_frames, self._annotations = metric, real_frames, annotations

    def measure(self, images: Tensor) -> Measured:
        """The distances of images (t', 3, h, w) of the last t' frames; none where nothing was detected in the footage.

        The places are those of the condition, also if nothing can be detected on the image itself.
        """
        first = len(self._annotations) - len(images)
        values: FrameValues = np.full(len(images), np.nan)
        for index, image in enumerate(images):
            real, annotation = self._real_vectors[first + index], self._annotations[first + index]
            if real is not None:
                values[index] = np.linalg.norm(self._describe(image, annotation) - real)
        means = measured_frames({self._metric.name: values[~np.isnan(values)]}).means
        return Measured(means, {self._metric.name: values})

    @cached_property
    def _real_vectors(self) -> list[FloatArray | None]:
        return [
            self._describe(frame, annotation) if annotation.quality > 0 else None
            for frame, annotation in zip(self._real_frames, self._annotations, strict=True)
        ]

    def _describe(self, image: Tensor, annotation: Annotation) -> FloatArray:
        with plugin_call(self._metric.conditioner, "identifier"):
            return self._metric.identifier.describe(to_uint8_image(image), annotation)
