"""Objects over time: blobs that move, touch, cross the border, vanish and come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.instances import (
    NUMBERS,
    PATIENCE,
    Follower,
    InstanceReader,
    class_of,
    instance_classes,
    number_of,
)
from vid2vid_cli.conditioning.registry import load_conditioner

ROAD, CAR = 1, 2
HEIGHT, WIDTH = 24, 48
Place = Callable[[int], tuple[float, float] | None]


def road_with(blobs: Sequence[Place], frame: int, size: int = 6) -> np.ndarray:
    ids = np.full((HEIGHT, WIDTH), ROAD << NUMBERS, dtype=np.int64)
    for place in blobs:
        if (middle := place(frame)) is not None:
            y, x = (round(value - size / 2) for value in middle)
            ids[max(y, 0) : max(y + size, 0), max(x, 0) : max(x + size, 0)] = CAR << NUMBERS
    return ids


def followed(blobs: Sequence[Place], frames: int) -> list[list[int]]:
    """The number at the middle of each blob (0: no car is there), frame by frame."""
    follow, seen = Follower([CAR]), []
    for frame in range(frames):
        ids = follow(road_with(blobs, frame))
        assert (ids[road_with(blobs, frame) == ROAD << NUMBERS] == ROAD << NUMBERS).all()
        row = []
        for place in blobs:
            y, x = place(frame) or (-1, -1)
            inside = 0 <= y < HEIGHT and 0 <= x < WIDTH
            row.append(int(number_of(ids[int(y), int(x)])) if inside else 0)
        seen.append(row)
    return seen


def test_blobs_keep_their_numbers_while_they_move_and_cross_the_border() -> None:
    blobs = (lambda f: (6, 4 + 2 * f), lambda f: (18, 40 - 3 * f))
    seen = followed(blobs, 30)
    assert {row[0] for row in seen[:21]} == {1}
    assert {row[1] for row in seen[:13]} == {2}


def test_a_small_blob_that_jumps_by_more_than_its_size() -> None:
    assert {row[0] for row in followed([lambda f: (12, 3 + 8 * f)], 6)} == {1}


def test_what_comes_later_elsewhere_is_another() -> None:
    blobs = (lambda f: (6, 6) if f < 5 else None, lambda f: (18, 40) if f >= 7 else None)
    seen = followed(blobs, 10)
    assert [row[0] for row in seen[:5]] == [1] * 5
    assert [row[1] for row in seen[7:]] == [2] * 3


@pytest.mark.parametrize(("pause", "number"), [(PATIENCE, 1), (PATIENCE + 2, 2)])
def test_what_comes_back_to_its_place_soon_is_the_same(pause: int, number: int) -> None:
    seen = followed([lambda f: None if 3 <= f < 3 + pause else (12, 20)], 4 + pause)
    assert seen[-1] == [number]


def test_two_that_touch_stay_two() -> None:
    blobs = (lambda f: (12, 10 + min(f, 10)), lambda f: (12, 32 - min(f, 10) + max(0, f - 14)))
    seen = followed(blobs, 24)
    follow = Follower([CAR])
    touching = [follow(road_with(blobs, frame)) for frame in range(14)][-1]
    assert {tuple(row) for row in seen} == {(1, 2)}
    assert set(number_of(touching[class_of(touching) == CAR]).tolist()) == {1, 2}


def test_one_drives_where_another_was() -> None:
    """The second follows close behind: its new place was the first one's, and neither is cut in two."""
    blobs = (lambda f: (12, 20 + 4 * f), lambda f: (12, 12 + 4 * f))
    follow = Follower([CAR])
    for frame in range(6):
        ids = follow(road_with(blobs, frame))
        for number, place in zip((2, 1), blobs, strict=True):
            y, x = place(frame)
            assert (number_of(ids[y - 3 : y + 3, x - 3 : x + 3]) == number).all()


def test_a_blob_that_is_parted_stays_one() -> None:
    follow = Follower([CAR])
    whole = road_with([lambda f: (12, 20)], 0, 12)
    follow(whole)
    whole[:, 19:21] = ROAD << NUMBERS
    assert set(number_of(follow(whole)[class_of(whole) == CAR]).tolist()) == {1}


def labels(**files: str) -> object:
    return load_conditioner("labels", {"kind": "ids", "classes": "3", **files})


def test_ids_that_are_known_are_taken_as_they_are() -> None:
    map_ = np.repeat(np.array([[0, 1, 2, 2, 9]], np.uint8), 2, axis=0)
    own = np.repeat(np.array([[0, 1, 2001, 2002, 9]], np.uint16), 2, axis=0)
    view = View.of_box((0, 0, 5, 2), 2, 5)
    reader = InstanceReader([load_conditioner("edges"), labels()], [view, view], [CAR])
    ids = reader([Annotation(2, 5, 1.0), Annotation(2, 5, 1.0, images={"labels": map_, "instances": own})])
    assert class_of(ids)[0].tolist() == [0, 1, 2, 2, -1]
    assert number_of(ids)[0, :4].tolist() == [0, 1, 2001, 2002]


def test_regions_of_things_are_told_apart_and_the_rest_is_one_of_its_class() -> None:
    map_ = np.array([[2, 0, 2], [0, 1, 0]], np.uint8)
    view = View.of_box((0, 0, 3, 2), 4, 6)
    ids = InstanceReader([labels()], [view], [CAR])([Annotation(2, 3, 1.0, images={"labels": map_})])
    assert class_of(ids)[::2, ::2].tolist() == map_.tolist()
    assert number_of(ids)[::2, ::2].tolist() == [[1, 0, 2], [0, 0, 0]]


def test_without_classes_the_picture_is_one_object() -> None:
    edges, view = load_conditioner("edges"), View.of_box((0, 0, 4, 4), 4, 4)
    assert [one.name for one in instance_classes([edges])] == ["picture"]
    assert not InstanceReader([edges], [view], [])([Annotation(4, 4, 1.0)]).any()
    assert [one.name for one in instance_classes([edges, labels()])] == ["0", "1", "2"]


def test_who_comes_where_somebody_just_left_is_another() -> None:
    """It shares a sixth of its pixels with where the first one was."""
    seen = followed([lambda f: (12, 12 + 4 * f), lambda f: (12, 23) if f >= 5 else None], 8)
    assert seen[-1] == [1, 2]
