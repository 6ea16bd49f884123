"""Mean intersection over union of two segmentations, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.registry import load_conditioner

PERSON, CAR = 15, 7


def segmentation_errors(detected: list[list[int]], reference: list[list[int]], **options: object) -> dict[str, float]:
    detected_annotation, reference_annotation = (
        Annotation(2, 4, 1.0, images={"labels": np.array(labels, np.uint8)}) for labels in (detected, reference)
    )
    return load_conditioner("segmentation", options).errors(detected_annotation, reference_annotation)


def test_errors_average_over_classes_that_occur() -> None:
    reference = [[0, 0, PERSON, PERSON], [0, 0, PERSON, CAR]]
    detected = [[0, 0, 0, PERSON], [0, 0, PERSON, PERSON]]
    # Background 4 of 5, person 2 of 4, car 0 of 1.
    assert segmentation_errors(detected, reference) == pytest.approx(
        {"segmentation_iou": 100 * (4 / 5 + 2 / 4 + 0) / 3}
    )
    assert segmentation_errors(reference, reference) == {"segmentation_iou": 100}
    assert segmentation_errors(reference, detected) == pytest.approx(segmentation_errors(detected, reference))


def test_errors_count_unused_classes_as_background() -> None:
    reference = [[0, 0, PERSON, PERSON], [0, 0, PERSON, CAR]]
    detected = [[0, 0, 0, PERSON], [0, 0, PERSON, 0]]
    # Background 5 of 6, person 2 of 3.
    assert segmentation_errors(detected, reference, classes_used=("person",)) == pytest.approx(
        {"segmentation_iou": 100 * (5 / 6 + 2 / 3) / 2}
    )


def test_errors_are_empty_without_label_map() -> None:
    empty, labelled = Annotation(2, 4, 0.0), Annotation(2, 4, 1.0, images={"labels": np.zeros((2, 4), np.uint8)})
    conditioner = load_conditioner("segmentation")
    assert conditioner.errors(empty, labelled) == {}
    assert conditioner.errors(labelled, empty) == {}
