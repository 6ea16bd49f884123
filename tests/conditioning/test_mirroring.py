"""The mirrored annotation: coordinates by hand, and what changes places by rows, by names and by classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation, Conditioner, ConditionerSpec, LabelClass
from vid2vid_cli.conditioning.mirroring import exchange_of, other_side


class Both(Conditioner):
    """Points of two eyes and a nose, two hands, and a map of limbs."""

    spec = ConditionerSpec("both", "two sides", "labels", "nowhere:Both")
    sides: ClassVar = {"face": (1, 0, 2)}
    channels = 1

    def annotate(self, frames: Any) -> Iterator[Annotation]:
        yield from ()

    def render(self, annotation: Annotation, view: Any) -> Any:
        raise NotImplementedError

    def picture(self, annotation: Annotation, view: Any) -> Any:
        raise NotImplementedError

    def classes(self) -> tuple[LabelClass, ...]:
        names = ("nothing", "left arm", "right arm", "bright", "left wing")
        return tuple(LabelClass(index, name, (0, 0, 0)) for index, name in enumerate(names))


def test_points_turn_about_the_middle_and_rows_change_places_person_by_person() -> None:
    face = np.array([[1, 5, 0.9], [4, 5, 0.8], [3, 7, 0.7], [6, 0, 0.1], [np.nan] * 3, [7, 1, 0.2]], np.float32)
    turned = Both().mirror(Annotation(8, 10, 1.0, {"face": face})).points["face"]
    wanted = [[5, 5, 0.8], [8, 5, 0.9], [6, 7, 0.7], [np.nan] * 3, [3, 0, 0.1], [2, 1, 0.2]]
    assert np.allclose(turned, wanted, equal_nan=True)
    assert turned.dtype == np.float32


def test_names_that_tell_a_side_change_places() -> None:
    hands = {"left_hand": np.array([[1, 2]], np.float32), "right_hand": np.array([[7, 8]], np.float32)}
    turned = Both().mirror(Annotation(8, 10, 1.0, {**hands, "left_ear": np.array([[0, 0]], np.float32)})).points
    assert {name: points.tolist() for name, points in turned.items()} == {
        "left_hand": [[2, 8]],
        "right_hand": [[8, 2]],
        "left_ear": [[9, 0]],  # there is no other
    }


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_classes_that_tell_a_side_change_places_in_label_maps_alone(kind: Any) -> None:
    map_ = np.array([[0, 1, 1, 2], [3, 4, 255, 0]], kind)
    images = {"labels": map_, "instances": map_.astype(np.uint16), "rgb": np.dstack([map_.astype(np.uint8)] * 3)}
    turned = Both().mirror(Annotation(2, 4, 1.0, images=images)).images
    assert turned["labels"].tolist() == [[1, 2, 2, 0], [0, 255, 4, 3]]
    assert turned["instances"].tolist() == map_[:, ::-1].tolist()
    assert turned["rgb"].tolist() == images["rgb"][:, ::-1].tolist()
    assert [image.dtype for image in turned.values()] == [image.dtype for image in images.values()]


def test_other_sides() -> None:
    names = ("Left-arm", "Right-arm", "leftHand", "rightHand", "LEFT", "RIGHT", "bright", "left leg")
    others = ["Right-arm", "Left-arm", "rightHand", "leftHand", "RIGHT", "LEFT", "bright", "left leg"]
    assert [other_side(name, names) for name in names] == others
    assert exchange_of(((0, "left leg"), (5, "tree"))) is None
