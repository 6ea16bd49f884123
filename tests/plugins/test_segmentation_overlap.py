"""How much of each class two segmentations share, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.registry import load_conditioner

PERSON, CAR = 15, 7


def shared(found: list[list[int]], wanted: list[list[int]], **options: object) -> dict[str, float]:
    one, other = (Annotation(2, 4, 1.0, images={"labels": np.array(labels, np.uint8)}) for labels in (found, wanted))
    return load_conditioner("segmentation", options).distances(one, other)


def test_the_mean_over_classes_that_occur() -> None:
    wanted = [[0, 0, PERSON, PERSON], [0, 0, PERSON, CAR]]
    found = [[0, 0, 0, PERSON], [0, 0, PERSON, PERSON]]
    # Background 4 of 5, person 2 of 4, car 0 of 1.
    assert shared(found, wanted) == pytest.approx({"segmentation_iou": 100 * (4 / 5 + 2 / 4 + 0) / 3})
    assert shared(wanted, wanted) == {"segmentation_iou": 100}
    assert shared(wanted, found) == pytest.approx(shared(found, wanted))


def test_classes_without_a_channel_are_background() -> None:
    wanted = [[0, 0, PERSON, PERSON], [0, 0, PERSON, CAR]]
    found = [[0, 0, 0, PERSON], [0, 0, PERSON, 0]]
    # Background 5 of 6, person 2 of 3.
    assert shared(found, wanted, keep=("person",)) == pytest.approx({"segmentation_iou": 100 * (5 / 6 + 2 / 3) / 2})


def test_nothing_is_said_without_a_map() -> None:
    bare, labels = Annotation(2, 4, 0.0), Annotation(2, 4, 1.0, images={"labels": np.zeros((2, 4), np.uint8)})
    conditioner = load_conditioner("segmentation")
    assert conditioner.distances(bare, labels) == {}
    assert conditioner.distances(labels, bare) == {}
