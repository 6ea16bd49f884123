"""Label maps edited: exact pixels by hand, and what must hold for any map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from vid2vid_cli.conditioning.label_editing import LABELS, Edit, LabelEditor, Part

ROAD, WALL, TREE, CAR, MAN = range(5)
EVERY = (ROAD, WALL, TREE, CAR, MAN)
VOID = 9
"""Of no class."""
SEED = 1
"""Such that everybody is on every map, and in every part of it."""


def ids(*rows: str) -> np.ndarray:
    """A map from rows of digits."""
    return np.array([[int(figure) for figure in row] for row in rows], dtype=np.uint8)


def edited(edits: Sequence[Edit], maps: Sequence[np.ndarray], first: int = 0, **planes: Any) -> list[np.ndarray]:
    editor = LabelEditor(edits, EVERY)
    return [editor({LABELS: map_, **planes}, first + index)[LABELS] for index, map_ in enumerate(maps)]


def one(edit: Edit, *rows: str) -> list[str]:
    (found,) = edited([edit], [ids(*rows)])
    return ["".join(map(str, row)) for row in found.tolist()]


def some_maps(count: int = 6, size: tuple[int, int] = (12, 16), classes: int = 5) -> list[np.ndarray]:
    """Blocks of classes that wander."""
    random = np.random.default_rng(SEED)
    blocks = random.integers(0, classes, (8, 10)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    return [blocks[index : index + size[0], 2 * index : 2 * index + size[1]].copy() for index in range(count)]


def test_a_class_becomes_another_and_nothing_else_changes() -> None:
    assert one(Edit(WALL, TREE), "0113", "0121") == ["0223", "0222"]


def test_replacements_are_made_at_once_and_the_last_wins() -> None:
    swapped = edited([Edit(WALL, TREE), Edit(TREE, WALL)], [ids("0112")])[0]
    assert swapped.tolist() == [[0, 2, 2, 1]]
    last = edited([Edit(WALL, TREE), Edit(WALL, CAR, Part((0, 0, 0.5, 1)))], [ids("1111")])[0]
    assert last.tolist() == [[3, 3, 2, 2]]


def test_a_box_holds_the_pixels_whose_centres_lie_in_it() -> None:
    assert one(Edit(WALL, TREE, Part((0.25, 0.5, 0.75, 1))), "1111", "1111") == ["1111", "1221"]
    assert Part((0.0, 0.3, 1.0, 0.8)).pixels(4, 1) == (slice(1, 3), slice(0, 1))
    assert Part((0.0, 0.0, 0.5, 1.0)).pixels(1, 5) == (slice(0, 1), slice(0, 2))  # the centre of the third is its edge
    thirds = [Part((n / 3, 0, (n + 1) / 3, 1)).pixels(1, 7)[1] for n in range(3)]
    assert [pixel for part in thirds for pixel in range(7)[part]] == list(range(7))  # none twice, none left out


def test_a_stretch_of_frames() -> None:
    found = edited([Edit(WALL, TREE, Part(first=11, end=13))], [ids("1")] * 5, first=9)
    assert [int(map_[0, 0]) for map_ in found] == [1, 1, 2, 2, 1]


def test_what_is_removed_becomes_what_is_nearest() -> None:
    assert one(Edit(MAN, None), "11444400", "11444400") == ["11110000", "11110000"]
    # Each pixel of a figure before a wall, on a road.
    assert one(Edit(MAN, None), "11111", "11411", "11411", "00400", "00000") == [
        "11111",
        "11111",
        "11111",
        "00000",
        "00000",
    ]


def test_layers_go_on_level() -> None:
    """A car before the foot of a wall: road below, wall above, as at its sides; not what is nearest to its middle."""
    rows = ["1" * 12, "111133331111", "111133331111", "000033330000", "000033330000", "0" * 12]
    assert one(Edit(CAR, None), *rows) == ["1" * 12] * 3 + ["0" * 12] * 3
    # Wider than four times its height, it is filled from above and below.
    assert one(Edit(CAR, None), "1" * 14, "2" + "3" * 12 + "2", "0" * 14)[1] == "22222111122222"


def test_rows_and_columns_that_hold_nothing_else() -> None:
    """The middle of a cross takes what its arms have found."""
    assert one(Edit(MAN, None), "141", "444", "142") == ["111", "111", "112"]
    assert one(Edit(MAN, None), "494", "949", "491") == ["191", "919", "191"]  # past what is of no class
    assert one(Edit(MAN, None), "49", "91") == ["19", "91"]


def test_a_pole_is_not_what_stands_behind() -> None:
    """128 pixels wide, 2 is not narrow, and 1 is."""
    for pole, behind in ((1, TREE), (2, WALL)):
        map_ = np.full((1, 128), TREE, np.uint8)
        map_[0, 60:70], map_[0, 60 - pole : 60], map_[0, 70 : 70 + pole] = MAN, WALL, WALL
        found = edited([Edit(MAN, None)], [map_])[0]
        assert found[0, 60:70].tolist() == [behind] * 10
        assert np.array_equal(np.delete(found, np.s_[60:70]), np.delete(map_, np.s_[60:70]))
    # But one that was seen comes back.
    before, later = np.full((1, 128), TREE, np.uint8), np.full((1, 128), TREE, np.uint8)
    before[0, 57], before[0, 60:70], later[0, 55:70] = WALL, MAN, MAN
    found = edited([Edit(MAN, None)], [before, later])[1]
    assert np.flatnonzero(found[0] != TREE).tolist() == [57]
    assert edited([Edit(MAN, None)], [np.array([[WALL] + [MAN] * 127], np.uint8)])[0].tolist() == [[WALL] * 128]


def test_what_is_removed_never_becomes_another_removed_class_nor_nothing() -> None:
    edits = [Edit(MAN, None), Edit(CAR, None)]
    assert edited(edits, [ids("1134430")])[0].tolist() == [[1, 1, 1, 1, 0, 0, 0]]
    assert edited([Edit(MAN, None)], [ids("199490")])[0].tolist() == [[1, 9, 9, 0, 9, 0]]


def test_a_part_of_a_region_is_not_filled_with_its_other_part() -> None:
    found = edited([Edit(MAN, None, Part((0, 0, 0.5, 1)))], [ids("1444444400")])[0]
    assert found.tolist() == [[1, 1, 1, 1, 1, 4, 4, 4, 0, 0]]


def test_what_was_seen_behind_comes_back() -> None:
    """A tree before a wall; somebody walks past it, and beside him is only wall."""
    scene, passing = ids("11111111", "11122111", "11122111", "11111111"), []
    for x in range(6):
        passing.append(scene.copy())
        passing[-1][:, x : x + 3] = MAN
    found = edited([Edit(MAN, None)], [scene, *passing])
    assert all(np.array_equal(map_, scene) for map_ in found)
    # Never seen without him, the wall is all there is.
    assert edited([Edit(MAN, None)], [passing[3]])[0].tolist() == np.full((4, 8), WALL).tolist()


def test_memory_that_does_not_fit_its_surroundings_is_not_used() -> None:
    """The place has changed: what was a tree is a wall all around him now."""
    before, now = ids("22222", "22222", "22222"), ids("11111", "11411", "11111")
    assert edited([Edit(MAN, None)], [before, now])[1].tolist() == np.full((3, 5), WALL).tolist()


def test_somebody_whose_parts_touch_at_a_corner_only_is_one() -> None:
    """A hand drawn apart from its arm shows what is remembered behind both; drawn far from it, it is judged alone."""
    before = ids("1111111111", "1111111111", "1111111111", "1111111111", "1111112111", "1111111111")
    near = ids("1111111111", "1144441111", "1144441111", "1144441111", "1111114111", "1111111111")
    apart = ids("1111111111", "1444411111", "1444411111", "1444411111", "1111114111", "1111111111")
    assert np.array_equal(edited([Edit(MAN, None)], [before, near])[1], before)
    assert np.array_equal(edited([Edit(MAN, None)], [before, apart])[1], np.full_like(before, WALL))


def test_what_was_never_seen_is_filled_from_what_was() -> None:
    """His right side was always covered: it takes what is remembered beside it, or the wall where that is nearer."""
    found = edited([Edit(MAN, None)], [ids("2222444411"), ids("2244444411")])
    assert found[1].tolist() == [[2, 2, 2, 2, 2, 2, 1, 1, 1, 1]]
    # A tree seen between his arms says nothing of what is at his sides.
    assert edited([Edit(MAN, None)], [ids("142241"), ids("144441")])[1].tolist() == [[1, 1, 1, 1, 1, 1]]


def test_the_clip_is_its_own_memory_and_starts_before_the_removal() -> None:
    scene, covered = ids("111", "121", "111"), ids("111", "141", "111")
    late = [Edit(MAN, None, Part(first=2))]
    found = edited(late, [scene, covered, covered])
    assert found[1].tolist() == covered.tolist()  # not yet
    assert edited(late, [covered], first=2)[0][1, 1] == WALL  # another clip: nothing was seen


def test_nobody_but_what_is_removed() -> None:
    editor = LabelEditor([Edit(MAN, None)], EVERY)
    full = ids("44", "44")
    assert np.array_equal(editor({LABELS: full}, 0)[LABELS], full)
    assert (editor.stuck, editor.changed) == (1, [0])
    editor({LABELS: ids("11", "12")}, 1)
    assert editor({LABELS: full}, 2)[LABELS].tolist() == [[1, 1], [1, 2]]  # what was seen is better than nothing
    assert (editor.stuck, editor.changed) == (1, [4])


def test_instances_follow_what_fills_and_stay_where_a_class_is_renamed() -> None:
    labels, things = ids("1133444"), np.array([[1, 1, 3001, 3001, 4001, 4002, 4002]], dtype=np.uint16)
    editor = LabelEditor([Edit(MAN, None), Edit(WALL, TREE), Edit(CAR, ROAD)], EVERY)
    found = editor({LABELS: labels, "instances": things}, 0)
    assert found[LABELS].tolist() == [[2, 2, 0, 0, 0, 0, 0]]
    # No outline where somebody stood, the car's own stays, and the wall, no instance, is one with other trees.
    assert found["instances"].tolist() == [[2, 2, 3001, 3001, 3001, 3001, 3001]]
    assert found["instances"].dtype == np.uint16


def test_remembered_instances_come_back() -> None:
    scene, things = ids("333", "333", "333"), np.full((3, 3), 3001, dtype=np.uint16)
    covered, others = scene.copy(), things.copy()
    covered[1, 1], others[1, 1] = MAN, 4001
    editor = LabelEditor([Edit(MAN, None)], EVERY)
    editor({LABELS: scene, "instances": things}, 0)
    assert np.array_equal(editor({LABELS: covered, "instances": others}, 1)["instances"], things)


def test_pictures_of_another_shape_are_left_alone_and_ids_may_grow() -> None:
    drawing = np.zeros((1, 2, 3), np.uint8)
    images = {LABELS: ids("12"), "rgb": drawing}
    found = LabelEditor([Edit(WALL, 700)], (*EVERY, 700))(images, 0)
    assert found[LABELS].tolist() == [[700, 2]]
    assert found["rgb"] is drawing
    assert images[LABELS].tolist() == [[1, 2]]  # what is given is not written to


PARTS = [Part(), Part((0.25, 0.0, 1.0, 0.5)), Part(first=2, end=4), Part((0.0, 0.3, 0.6, 1.0), 1, 5)]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("new", [CAR, None])
def test_the_class_is_gone_within_and_all_is_untouched_without(part: Part, new: int | None) -> None:
    maps = some_maps()
    before = [map_.copy() for map_ in maps]
    found = edited([Edit(MAN, new, part)], maps)
    for frame, (old, now) in enumerate(zip(before, found, strict=True)):
        assert np.array_equal(maps[frame], old)
        within = np.zeros(old.shape, dtype=np.bool_)
        if part.lasts(frame):
            within[part.pixels(*old.shape)] = True
        assert (old[within] == MAN).any() == within.any()  # or this would show nothing
        assert not (now[within] == MAN).any()
        assert np.array_equal(now[~within], old[~within])
        assert np.array_equal(now[old != MAN], old[old != MAN])
        assert set(now[within & (old == MAN)].tolist()) <= ({ROAD, WALL, TREE, CAR} if new is None else {new})


@pytest.mark.parametrize("edit", [Edit(MAN, None), Edit(MAN, TREE)])
def test_without_the_class_nothing_happens(edit: Edit) -> None:
    maps = some_maps(classes=4)
    editor = LabelEditor([edit], EVERY)
    for frame, map_ in enumerate(maps):
        assert np.array_equal(editor({LABELS: map_}, frame)[LABELS], map_)
    assert (editor.changed, editor.stuck) == ([0], 0)


def test_what_comes_later_changes_nothing_before_it() -> None:
    maps = some_maps()
    whole = edited([Edit(MAN, None), Edit(WALL, TREE)], maps)
    other = edited([Edit(MAN, None), Edit(WALL, TREE)], [*maps[:3], *some_maps(3, classes=4)])
    assert np.array_equal(whole[:3], other[:3])
