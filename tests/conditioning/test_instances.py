"""Instance tracking: blobs that move, touch, cross the border, disappear and return."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.combine import instance_classes
from vid2vid_cli.conditioning.instances import (
    INSTANCE_BITS,
    MAX_MISSING_FRAMES,
    InstanceReader,
    InstanceTracker,
    instance_class,
    instance_number,
)
from vid2vid_cli.conditioning.registry import load_conditioner

ROAD, CAR = 1, 2
HEIGHT, WIDTH = 24, 48
CentrePath = Callable[[int], tuple[float, float] | None]
"""Frame index -> centre (y, x) of a blob; None while it is absent."""


def make_id_map(blobs: Sequence[CentrePath], frame: int, size: int = 6) -> np.ndarray:
    ids = np.full((HEIGHT, WIDTH), ROAD << INSTANCE_BITS, dtype=np.int64)
    for centre_path in blobs:
        if (centre := centre_path(frame)) is not None:
            y, x = (round(value - size / 2) for value in centre)
            ids[max(y, 0) : max(y + size, 0), max(x, 0) : max(x + size, 0)] = CAR << INSTANCE_BITS
    return ids


def track_blobs(blobs: Sequence[CentrePath], num_frames: int) -> list[list[int]]:
    """The instance number at the centre of each blob for each frame; 0 if the centre is outside the frame."""
    tracker, numbers = InstanceTracker([CAR]), []
    for frame in range(num_frames):
        ids = tracker(make_id_map(blobs, frame))
        assert (ids[make_id_map(blobs, frame) == ROAD << INSTANCE_BITS] == ROAD << INSTANCE_BITS).all()
        row = []
        for centre_path in blobs:
            y, x = centre_path(frame) or (-1, -1)
            is_inside = 0 <= y < HEIGHT and 0 <= x < WIDTH
            row.append(int(instance_number(ids[int(y), int(x)])) if is_inside else 0)
        numbers.append(row)
    return numbers


def test_instance_tracker_keeps_numbers_of_moving_blobs() -> None:
    blobs = (lambda f: (6, 4 + 2 * f), lambda f: (18, 40 - 3 * f))
    numbers = track_blobs(blobs, 30)
    assert {row[0] for row in numbers[:21]} == {1}
    assert {row[1] for row in numbers[:13]} == {2}


def test_instance_tracker_follows_jump_larger_than_blob() -> None:
    assert {row[0] for row in track_blobs([lambda f: (12, 3 + 8 * f)], 6)} == {1}


def test_instance_tracker_gives_new_number_elsewhere() -> None:
    blobs = (lambda f: (6, 6) if f < 5 else None, lambda f: (18, 40) if f >= 7 else None)
    numbers = track_blobs(blobs, 10)
    assert [row[0] for row in numbers[:5]] == [1] * 5
    assert [row[1] for row in numbers[7:]] == [2] * 3


@pytest.mark.parametrize(("gap_frames", "number"), [(MAX_MISSING_FRAMES, 1), (MAX_MISSING_FRAMES + 2, 2)])
def test_instance_tracker_keeps_number_over_short_gap(gap_frames: int, number: int) -> None:
    numbers = track_blobs([lambda f: None if 3 <= f < 3 + gap_frames else (12, 20)], 4 + gap_frames)
    assert numbers[-1] == [number]


def test_instance_tracker_separates_touching_blobs() -> None:
    blobs = (lambda f: (12, 10 + min(f, 10)), lambda f: (12, 32 - min(f, 10) + max(0, f - 14)))
    numbers = track_blobs(blobs, 24)
    tracker = InstanceTracker([CAR])
    touching_ids = [tracker(make_id_map(blobs, frame)) for frame in range(14)][-1]
    assert {tuple(row) for row in numbers} == {(1, 2)}
    assert set(instance_number(touching_ids[instance_class(touching_ids) == CAR]).tolist()) == {1, 2}


def test_instance_tracker_follows_blobs_in_a_row() -> None:
    """The second blob moves to where the first one was; neither region is split."""
    blobs = (lambda f: (12, 20 + 4 * f), lambda f: (12, 12 + 4 * f))
    tracker = InstanceTracker([CAR])
    for frame in range(6):
        ids = tracker(make_id_map(blobs, frame))
        for number, centre_path in zip((2, 1), blobs, strict=True):
            y, x = centre_path(frame)
            assert (instance_number(ids[y - 3 : y + 3, x - 3 : x + 3]) == number).all()


def test_instance_tracker_keeps_number_of_split_blob() -> None:
    tracker = InstanceTracker([CAR])
    ids = make_id_map([lambda f: (12, 20)], 0, 12)
    tracker(ids)
    ids[:, 19:21] = ROAD << INSTANCE_BITS
    assert set(instance_number(tracker(ids)[instance_class(ids) == CAR]).tolist()) == {1}


def load_labels_conditioner(**options: str) -> object:
    return load_conditioner("labels", {"format": "ids", "classes": "3", **options})


def test_instance_reader_uses_given_instance_ids() -> None:
    label_map = np.repeat(np.array([[0, 1, 2, 2, 9]], np.uint8), 2, axis=0)
    instance_map = np.repeat(np.array([[0, 1, 2001, 2002, 9]], np.uint16), 2, axis=0)
    view = View.from_box((0, 0, 5, 2), 2, 5)
    reader = InstanceReader([load_conditioner("edges"), load_labels_conditioner()], [view, view], [CAR])
    ids = reader(
        [Annotation(2, 5, 1.0), Annotation(2, 5, 1.0, images={"labels": label_map, "instances": instance_map})]
    )
    assert instance_class(ids)[0].tolist() == [0, 1, 2, 2, -1]
    assert instance_number(ids)[0, :4].tolist() == [0, 1, 2001, 2002]


def test_instance_reader_splits_only_thing_classes() -> None:
    label_map = np.array([[2, 0, 2], [0, 1, 0]], np.uint8)
    view = View.from_box((0, 0, 3, 2), 4, 6)
    ids = InstanceReader([load_labels_conditioner()], [view], [CAR])(
        [Annotation(2, 3, 1.0, images={"labels": label_map})]
    )
    assert instance_class(ids)[::2, ::2].tolist() == label_map.tolist()
    assert instance_number(ids)[::2, ::2].tolist() == [[1, 0, 2], [0, 0, 0]]


def test_instance_classes_without_classes_is_whole_image() -> None:
    edges, view = load_conditioner("edges"), View.from_box((0, 0, 4, 4), 4, 4)
    assert [label_class.name for label_class in instance_classes([edges])] == ["image"]
    assert not InstanceReader([edges], [view], [])([Annotation(4, 4, 1.0)]).any()
    assert [label_class.name for label_class in instance_classes([edges, load_labels_conditioner()])] == ["0", "1", "2"]


def test_instance_tracker_gives_new_number_near_old_blob() -> None:
    """The new blob shares a sixth of its pixels with the last region of the first one."""
    numbers = track_blobs([lambda f: (12, 12 + 4 * f), lambda f: (12, 23) if f >= 5 else None], 8)
    assert numbers[-1] == [1, 2]
