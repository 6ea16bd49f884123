"""The bank of reference frames: distances, the frames that are chosen, and their alignment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.reference_banks import blob_annotation, blob_bank

from vid2vid_cli.conditioning import Annotation, Conditioner, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.data.encoded_frames import EncodedFrames
from vid2vid_cli.data.reference_bank import MISSING_BONE_COST, ReferenceBank
from vid2vid_cli.data.reference_descriptors import FAR_DISTANCE, descriptor_distances, farthest_points, with_points_of

NAN = float("nan")


def test_farthest_points_cover_the_clusters() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([(0, 0), (10, 0), (0, 10), (10, 10)], np.float32).repeat((30, 1, 5, 2), axis=0)
    descriptors = centres + rng.uniform(-0.5, 0.5, centres.shape).astype(np.float32)
    selected = farthest_points(descriptors, 4)
    assert {tuple(centres[index]) for index in selected} == {(0, 0), (10, 0), (0, 10), (10, 10)}
    assert {tuple(centres[index]) for index in farthest_points(descriptors, 9)[:4]} == {tuple(c) for c in centres}


def test_farthest_points_omit_equal_rows() -> None:
    descriptors = np.array([(1, 2), (1, 2), (3, 4), (1, 2)], np.float32)
    assert farthest_points(descriptors, 4) == [0, 2]
    assert farthest_points(descriptors[:1], 9) == [0]


def test_descriptor_distances_use_values_that_both_have() -> None:
    descriptors = np.array([(0, 0, 0, 0), (3, NAN, 3, NAN), (NAN, 5, 5, 5), (NAN, NAN, NAN, 1)], np.float32)
    distances = descriptor_distances(descriptors, np.array([0, 4, 4, NAN], np.float32))
    assert distances == pytest.approx([np.sqrt(32 / 3), np.sqrt((9 + 1) / 2), 1.0, FAR_DISTANCE])
    known = np.array([(0, 0, 0, 0), (3, 4, 3, 4)], np.float32)
    assert descriptor_distances(known, np.array([0, 4, 4, 2], np.float32)) == pytest.approx(
        [3, np.sqrt((9 + 1 + 4) / 4)]
    )
    assert descriptor_distances(known[:, :0], known[0, :0]) == pytest.approx([FAR_DISTANCE, FAR_DISTANCE])


def test_with_points_of_has_the_layout_of_the_reference() -> None:
    reference = Annotation(4, 4, 1.0, {"a": np.ones((2, 3), np.float32), "b": np.ones((3, 2), np.float32)})
    source = Annotation(4, 4, 1.0, {"b": np.zeros((3, 2), np.float32), "c": np.zeros((9, 2), np.float32)})
    matched = with_points_of(source, reference)
    assert {name: points.shape for name, points in matched.points.items()} == {"a": (2, 3), "b": (3, 2)}
    assert np.isnan(matched.points["a"]).all()
    assert np.array_equal(matched.points["b"], source.points["b"])
    assert np.isnan(with_points_of(reference, source).points["c"]).all()


@pytest.mark.parametrize("change", ["extra", "missing", "rows"])
def test_bank_accepts_annotations_with_other_points(change: str) -> None:
    bank = blob_bank((0, 8, 16))
    annotation = blob_annotation(8)
    if change == "extra":
        points = {"extra": np.zeros((7, 3), np.float32), **annotation.points}
    elif change == "missing":
        points = {"body": annotation.points["disc"]}
    else:
        points = {"disc": annotation.points["disc"][:4]}
    other = replace(annotation, points=points)
    distances = bank.distances(bank.describe((other,), bank.output_views))
    positions = bank.align([2], (other,), bank.output_views, bank.output_view)[0].positions
    expected = bank.align([2], (annotation,), bank.output_views, bank.output_view)[0].positions
    assert np.isfinite(positions).all()
    if change == "extra":
        assert distances.argmin() == 1
        assert distances[1] < 1e-6
        assert np.array_equal(positions, expected)
    else:
        assert (distances == FAR_DISTANCE).all()
        assert not np.array_equal(positions, expected)


def test_positions_of_the_reference_itself_are_the_identity() -> None:
    """At twice the resolution of the output too: positions are relative to the size of the reference."""
    for scale in (1, 2):
        bank = blob_bank((4, 12), scale=scale)
        x, y = bank.align([1], bank.annotations[1], bank.output_views, bank.output_view)[0].positions
        nodes_x = np.arange(0, 33, 8, dtype=np.float32)
        offset = (scale - 1) / 2  # pixel centres
        expected = 2 * (scale * nodes_x + offset) / (33 * scale - 1) - 1
        assert np.allclose(x, expected[None], atol=1e-4)
        assert np.allclose(y, expected[:, None], atol=1e-4)


def test_positions_follow_the_points() -> None:
    """The centre of the output's disc is sampled from the centre of the reference's disc."""
    bank = blob_bank((4, 12), scale=2)
    centre, reference_centre = (blob_annotation(index).points["disc"][0] for index in (12, 4))
    node = np.array([[16.0, 16.0]])
    shift = np.float32(node[0]) - bank.output_view.transform_points(centre[None])[0]
    view = bank.output_view.compose(np.array([[1, 0, shift[0]], [0, 1, shift[1]]]))  # the disc is at a node
    position = bank.align([0], (blob_annotation(12),), (view,), view)[0].positions[:, 2, 2]
    expected = 2 * bank.view.transform_points(reference_centre[None])[0] / (33 * 2 - 1) - 1
    assert position == pytest.approx(expected, abs=1.5 * 2 / 65)


def test_bones_refer_to_the_rows_of_all_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups of points: the rows of the second one's bones follow those of the first."""
    bank = blob_bank((0, 16))
    moved = blob_annotation(16).points["disc"]
    with_front = [
        replace(a, points={"front": np.full((4, 2), NAN, np.float32), "disc": a.points["disc"]})
        for a in (blob_annotation(0), blob_annotation(16))
    ]
    monkeypatch.setattr(type(bank.conditioners[0]), "bones", lambda self: {"disc": ((1, 2), (3, 4))})
    two_groups = replace(bank, annotations=tuple((annotation,) for annotation in with_front))
    assert np.isfinite(moved).all()
    assert np.array_equal(
        two_groups.align([0], (with_front[1],), bank.output_views, bank.output_view)[0].positions,
        bank.align([0], (blob_annotation(16),), bank.output_views, bank.output_view)[0].positions,
    )
    monkeypatch.setattr(type(bank.conditioners[0]), "bones", lambda self: {"absent": ((0, 1),)})
    assert np.isfinite(bank.align([0], (blob_annotation(16),), bank.output_views, bank.output_view)[0].positions).all()


def test_bones_choose_references_and_fill_what_does_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disc is a limb: a frame differs by bone, missing bones too, and the disc is not in what does not move."""
    without_bones = blob_bank((0, 4, 8, 12, 16))
    assert without_bones.differences((blob_annotation(8),), without_bones.output_views).shape == (5, 1)
    assert not without_bones.align([0], (blob_annotation(8),), *_views(without_bones))[0].mismatch.any()
    static_frame = without_bones.static_frames.load(2, without_bones.output_view)
    monkeypatch.setattr(type(without_bones.conditioners[0]), "bones", lambda self: {"disc": ((1, 2), (3, 4))})
    bank = blob_bank((0, 4, 8, 12, 16))
    differences = bank.differences((blob_annotation(8),), bank.output_views)
    assert differences.shape == (5, 2)
    assert differences.mean(axis=1).argmin() == 2
    assert differences[2].max() < 1e-6
    missing = replace(blob_annotation(8), points={"disc": np.full_like(blob_annotation(8).points["disc"], NAN)})
    assert np.all(bank.differences((missing,), bank.output_views) == np.float32(MISSING_BONE_COST))
    disc = bank.output_view.transform_points(blob_annotation(8).points["disc"][:1])[0].round().astype(int)
    with_disc, filled = (
        int(image[disc[1], disc[0], 0]) for image in (static_frame, bank.static_frames.load(2, bank.output_view))
    )
    assert with_disc > 180
    assert filled < 140


def _views(bank: ReferenceBank) -> tuple[tuple[View, ...], View]:
    return bank.output_views, bank.output_view


def test_mirrored_twice_is_the_bank() -> None:
    bank = blob_bank((0, 8))
    twice = bank.mirrored.mirrored
    assert np.array_equal(twice.frames[1], bank.frames[1])
    assert np.array_equal(bank.mirrored.frames[1], bank.frames[1][:, ::-1])
    assert np.allclose(twice.view.array, bank.view.array)
    assert np.allclose(twice.descriptors, bank.descriptors, atol=1e-6)
    assert not np.allclose(bank.mirrored.descriptors, bank.descriptors, atol=0.05)


@pytest.mark.parametrize("name", ["edges", "labels"])
def test_conditioners_without_points_are_compared_by_their_condition(name: str) -> None:
    conditioner = load_conditioner(name, {"format": "ids", "classes": "2"} if name == "labels" else {})
    image = np.zeros((40, 56), np.uint8)
    images = [image.copy() for _ in range(3)]
    images[1][:20], images[2][:24] = 1, 1
    bank = _image_bank(conditioner, images)
    distances = bank.distances(bank.describe(bank.annotations[2], bank.output_views))
    assert distances.argsort().tolist() == [2, 1, 0]
    positions = bank.align([0], bank.annotations[2], bank.output_views, bank.output_view)[0].positions
    assert np.allclose(positions[0, 0], np.arange(-1, 1.1, 0.5), atol=1e-4)


def _image_bank(conditioner: Conditioner, images: list[np.ndarray]) -> ReferenceBank:
    image_name = "edges" if conditioner.spec.name == "edges" else "labels"
    view = View.from_box((0, 0, 56, 40), 33, 33)
    factor = 255 if image_name == "edges" else 1
    annotations = tuple((Annotation(40, 56, 1.0, images={image_name: image * factor}),) for image in images)
    return ReferenceBank(EncodedFrames([]), annotations, (conditioner,), view, view, 1)
