"""Horizontal flip of annotations: coordinates by hand, and exchange of sides by rows, names and classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation, Conditioner, ConditionerSpec, LabelClass
from vid2vid_cli.conditioning.mirroring import flipped_id_table, opposite_side_name


class SidedConditioner(Conditioner):
    """Points of two eyes and a nose, two hands, and a label map of limbs."""

    spec = ConditionerSpec("sided", "Two sides.", "labels", "nowhere:SidedConditioner")
    flip_indices: ClassVar = {"face": (1, 0, 2)}
    num_channels = 1

    def annotate(self, frames: Any) -> Iterator[Annotation]:
        yield from ()

    def render(self, annotation: Annotation, view: Any) -> Any:
        raise NotImplementedError

    def visualize(self, annotation: Annotation, view: Any) -> Any:
        raise NotImplementedError

    def classes(self) -> tuple[LabelClass, ...]:
        names = ("nothing", "left arm", "right arm", "bright", "left wing")
        return tuple(LabelClass(index, name, (0, 0, 0)) for index, name in enumerate(names))


def test_hflip_swaps_point_rows_for_each_person() -> None:
    face = np.array([[1, 5, 0.9], [4, 5, 0.8], [3, 7, 0.7], [6, 0, 0.1], [np.nan] * 3, [7, 1, 0.2]], np.float32)
    flipped = SidedConditioner().hflip(Annotation(8, 10, 1.0, {"face": face})).points["face"]
    expected = [[5, 5, 0.8], [8, 5, 0.9], [6, 7, 0.7], [np.nan] * 3, [3, 0, 0.1], [2, 1, 0.2]]
    assert np.allclose(flipped, expected, equal_nan=True)
    assert flipped.dtype == np.float32


def test_hflip_swaps_names_with_sides() -> None:
    hands = {"left_hand": np.array([[1, 2]], np.float32), "right_hand": np.array([[7, 8]], np.float32)}
    flipped = (
        SidedConditioner().hflip(Annotation(8, 10, 1.0, {**hands, "left_ear": np.array([[0, 0]], np.float32)})).points
    )
    assert {name: points.tolist() for name, points in flipped.items()} == {
        "left_hand": [[2, 8]],
        "right_hand": [[8, 2]],
        "left_ear": [[9, 0]],  # there is no right_ear
    }


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_hflip_swaps_class_ids_only_in_label_maps(dtype: Any) -> None:
    label_map = np.array([[0, 1, 1, 2], [3, 4, 255, 0]], dtype)
    images = {
        "labels": label_map,
        "instances": label_map.astype(np.uint16),
        "rgb": np.dstack([label_map.astype(np.uint8)] * 3),
    }
    flipped = SidedConditioner().hflip(Annotation(2, 4, 1.0, images=images)).images
    assert flipped["labels"].tolist() == [[1, 2, 2, 0], [0, 255, 4, 3]]
    assert flipped["instances"].tolist() == label_map[:, ::-1].tolist()
    assert flipped["rgb"].tolist() == images["rgb"][:, ::-1].tolist()
    assert [image.dtype for image in flipped.values()] == [image.dtype for image in images.values()]


def test_opposite_side_name() -> None:
    names = ("Left-arm", "Right-arm", "leftHand", "rightHand", "LEFT", "RIGHT", "bright", "left leg")
    opposites = ["Right-arm", "Left-arm", "rightHand", "leftHand", "RIGHT", "LEFT", "bright", "left leg"]
    assert [opposite_side_name(name, names) for name in names] == opposites
    assert flipped_id_table(((0, "left leg"), (5, "tree"))) is None
