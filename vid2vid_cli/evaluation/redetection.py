"""Re-detection metrics: annotate generated frames and compare with the annotations they were generated from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from vid2vid_cli.conditioning import Annotation, Conditioner, View, detect_cuts, view_image
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.conditioning.requirements import check_conditioners
from vid2vid_cli.core.errors import MissingPackageError, MissingWeightsError
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.engine.checkpoint_metadata import ConditionerConfig
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.evaluation.measured import FrameValues, Measured, measured_frames

Detections = Sequence[Sequence[Annotation]]
"""Conditioner -> image -> what was detected."""


def load_redetectors(configs: Sequence[ConditionerConfig], emit: EventHandler) -> list[Conditioner]:
    """The conditioners of a checkpoint that implement `errors` and whose requirements are installed.

    An InfoEvent reports each one that is omitted for a missing requirement.
    """
    redetectors = []
    for conditioner in load_conditioners([(config.name, config.options_for_new_source) for config in configs]):
        if type(conditioner).errors is Conditioner.errors:
            continue
        try:
            check_conditioners([conditioner])
        except (MissingPackageError, MissingWeightsError) as error:
            emit(InfoEvent(f"re-detection of {conditioner.spec.name} is skipped: {error.message} {error.hint}"))
            continue
        redetectors.append(conditioner)
    return redetectors


def detect_images(
    conditioners: Sequence[Conditioner], images: Tensor, on_frame: Callable[[], None] = lambda: None
) -> Detections:
    """What the conditioners detect on images (t, 3, h, w). `on_frame` is called after each detection."""
    detections: list[list[Annotation]] = []
    for conditioner in conditioners:
        detections.append([])
        for detection in conditioner.annotate(detect_cuts(map(to_uint8_image, images))):
            detections[-1].append(detection)
            on_frame()
    return detections


def redetection_errors(
    conditioners: Sequence[Conditioner],
    detections: Detections,
    dataset: Dataset,
    frame_range: FrameRange,
    *,
    view: View,
) -> Measured:
    """The errors of detections on the images of a frame range, against the dataset's annotations.

    `<conditioner>_found`: share of frames on which an error could be measured. The errors on the real frames are a
    lower bound.
    """
    values: dict[str, FrameValues] = {}
    for conditioner, detected in zip(conditioners, detections, strict=True):
        name = conditioner.spec.name
        frame_errors = [
            conditioner.errors(detection, transform_annotation(annotation, view))
            for detection, annotation in zip(detected, dataset.annotations([frame_range], name), strict=True)
        ]
        for key in dict.fromkeys(key for errors in frame_errors for key in errors):
            values[key] = np.array([errors.get(key, np.nan) for errors in frame_errors])
        values[f"{name}_found"] = np.array([float(bool(errors)) for errors in frame_errors])
    found = {key: array[~np.isnan(array)] for key, array in values.items()}
    return Measured(measured_frames(found).means, values)


def transform_annotation(annotation: Annotation, view: View) -> Annotation:
    """The annotation of a frame in pixels of the image that the view crops from it."""
    points = {
        name: np.concatenate([view.transform_points(values[:, :2]), values[:, 2:]], axis=1)
        for name, values in annotation.points.items()
    }
    images = {name: view_image(image, view, nearest=True) for name, image in annotation.images.items()}
    return Annotation(view.height, view.width, annotation.quality, points, images)
