"""Label editing: exact pixels by hand, and properties that hold for any map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vid2vid_cli.conditioning.conditioner import LABELS_KEY
from vid2vid_cli.conditioning.label_editing import EditRegion, LabelEdit, LabelEditor

ROAD, WALL, TREE, CAR, MAN = range(5)
CLASS_IDS = (ROAD, WALL, TREE, CAR, MAN)
SEED = 1
"""Chosen so that every class occurs in every region of every map."""


def ids(*rows: str) -> np.ndarray:
    """A label map from rows of digits."""
    return np.array([[int(digit) for digit in row] for row in rows], dtype=np.uint8)


def edit_maps(edits: Sequence[LabelEdit], maps: Sequence[np.ndarray], first: int = 0) -> list[np.ndarray]:
    editor = LabelEditor(edits, CLASS_IDS)
    return [editor({LABELS_KEY: label_map}, first + index)[LABELS_KEY] for index, label_map in enumerate(maps)]


def edit_rows(edit: LabelEdit, *rows: str) -> list[str]:
    (result,) = edit_maps([edit], [ids(*rows)])
    return ["".join(map(str, row)) for row in result.tolist()]


def random_maps(count: int = 6, size: tuple[int, int] = (12, 16), num_classes: int = 5) -> list[np.ndarray]:
    """Label maps of random blocks that move from frame to frame."""
    rng = np.random.default_rng(SEED)
    blocks = rng.integers(0, num_classes, (8, 10)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    return [blocks[index : index + size[0], 2 * index : 2 * index + size[1]].copy() for index in range(count)]


def test_label_editor_replaces_only_the_given_class() -> None:
    assert edit_rows(LabelEdit(WALL, TREE), "0113", "0121") == ["0223", "0222"]


def test_label_editor_replaces_simultaneously_and_last_wins() -> None:
    swapped = edit_maps([LabelEdit(WALL, TREE), LabelEdit(TREE, WALL)], [ids("0112")])[0]
    assert swapped.tolist() == [[0, 2, 2, 1]]
    last = edit_maps([LabelEdit(WALL, TREE), LabelEdit(WALL, CAR, EditRegion((0, 0, 0.5, 1)))], [ids("1111")])[0]
    assert last.tolist() == [[3, 3, 2, 2]]


def test_edit_region_contains_pixels_by_centre() -> None:
    assert edit_rows(LabelEdit(WALL, TREE, EditRegion((0.25, 0.5, 0.75, 1))), "1111", "1111") == ["1111", "1221"]
    assert EditRegion((0.0, 0.3, 1.0, 0.8)).pixel_slices(4, 1) == (slice(1, 3), slice(0, 1))
    assert EditRegion((0.0, 0.0, 0.5, 1.0)).pixel_slices(1, 5) == (
        slice(0, 1),
        slice(0, 2),
    )  # the right edge of the box is the centre of the third pixel
    thirds = [EditRegion((n / 3, 0, (n + 1) / 3, 1)).pixel_slices(1, 7)[1] for n in range(3)]
    assert [pixel for columns in thirds for pixel in range(7)[columns]] == list(range(7))


def test_edit_region_limits_frames() -> None:
    edited_maps = edit_maps([LabelEdit(WALL, TREE, EditRegion(start_frame=11, end_frame=13))], [ids("1")] * 5, first=9)
    assert [int(label_map[0, 0]) for label_map in edited_maps] == [1, 1, 2, 2, 1]


def test_label_editor_fills_with_nearest_label() -> None:
    assert edit_rows(LabelEdit(MAN, None), "11444400", "11444400") == ["11110000", "11110000"]
    # A person in front of a wall, standing on a road.
    assert edit_rows(LabelEdit(MAN, None), "11111", "11411", "11411", "00400", "00000") == [
        "11111",
        "11111",
        "11111",
        "00000",
        "00000",
    ]


def test_label_editor_prefers_fill_along_rows() -> None:
    """A car in front of the lower edge of a wall: rows are filled from the sides, not from the nearest row."""
    rows = ["1" * 12, "111133331111", "111133331111", "000033330000", "000033330000", "0" * 12]
    assert edit_rows(LabelEdit(CAR, None), *rows) == ["1" * 12] * 3 + ["0" * 12] * 3
    # A hole wider than four times its height is filled from above and below.
    assert edit_rows(LabelEdit(CAR, None), "1" * 14, "2" + "3" * 12 + "2", "0" * 14)[1] == "22222111122222"


def test_label_editor_fills_rows_and_columns_without_source() -> None:
    """The centre of a cross takes the labels that fill its arms."""
    assert edit_rows(LabelEdit(MAN, None), "141", "444", "142") == ["111", "111", "112"]
    assert edit_rows(LabelEdit(MAN, None), "494", "949", "491") == ["191", "919", "191"]  # skips pixels without a class
    assert edit_rows(LabelEdit(MAN, None), "49", "91") == ["19", "91"]


def test_label_editor_does_not_extend_thin_objects() -> None:
    """On a map of width 128, a run of 1 pixel is thin, a run of 2 is not."""
    for pole_width, fill_id in ((1, TREE), (2, WALL)):
        label_map = np.full((1, 128), TREE, np.uint8)
        label_map[0, 60:70], label_map[0, 60 - pole_width : 60], label_map[0, 70 : 70 + pole_width] = MAN, WALL, WALL
        result = edit_maps([LabelEdit(MAN, None)], [label_map])[0]
        assert result[0, 60:70].tolist() == [fill_id] * 10
        assert np.array_equal(np.delete(result, np.s_[60:70]), np.delete(label_map, np.s_[60:70]))
    # A remembered pole is restored.
    before, later = np.full((1, 128), TREE, np.uint8), np.full((1, 128), TREE, np.uint8)
    before[0, 57], before[0, 60:70], later[0, 55:70] = WALL, MAN, MAN
    result = edit_maps([LabelEdit(MAN, None)], [before, later])[1]
    assert np.flatnonzero(result[0] != TREE).tolist() == [57]
    assert edit_maps([LabelEdit(MAN, None)], [np.array([[WALL] + [MAN] * 127], np.uint8)])[0].tolist() == [[WALL] * 128]


def test_label_editor_never_fills_with_removed_or_no_class() -> None:
    edits = [LabelEdit(MAN, None), LabelEdit(CAR, None)]
    assert edit_maps(edits, [ids("1134430")])[0].tolist() == [[1, 1, 1, 1, 0, 0, 0]]
    assert edit_maps([LabelEdit(MAN, None)], [ids("199490")])[0].tolist() == [[1, 9, 9, 0, 9, 0]]


def test_label_editor_partial_removal_is_not_filled_with_itself() -> None:
    result = edit_maps([LabelEdit(MAN, None, EditRegion((0, 0, 0.5, 1)))], [ids("1444444400")])[0]
    assert result.tolist() == [[1, 1, 1, 1, 1, 4, 4, 4, 0, 0]]


def test_label_editor_restores_remembered_labels() -> None:
    """A person walks past a tree in front of a wall."""
    scene, passing = ids("11111111", "11122111", "11122111", "11111111"), []
    for x in range(6):
        passing.append(scene.copy())
        passing[-1][:, x : x + 3] = MAN
    edited_maps = edit_maps([LabelEdit(MAN, None)], [scene, *passing])
    assert all(np.array_equal(label_map, scene) for label_map in edited_maps)
    # Without a remembered frame, only the wall is available.
    assert edit_maps([LabelEdit(MAN, None)], [passing[3]])[0].tolist() == np.full((4, 8), WALL).tolist()


def test_label_editor_ignores_memory_that_does_not_match() -> None:
    """The scene has changed: the remembered tree does not match the wall around the person now."""
    before, now = ids("22222", "22222", "22222"), ids("11111", "11411", "11111")
    assert edit_maps([LabelEdit(MAN, None)], [before, now])[1].tolist() == np.full((3, 5), WALL).tolist()


def test_label_editor_regions_are_8_connected() -> None:
    """A hand that touches its arm at a corner belongs to the same region; a separate hand is a region of its own."""
    before = ids("1111111111", "1111111111", "1111111111", "1111111111", "1111112111", "1111111111")
    near = ids("1111111111", "1144441111", "1144441111", "1144441111", "1111114111", "1111111111")
    apart = ids("1111111111", "1444411111", "1444411111", "1444411111", "1111114111", "1111111111")
    assert np.array_equal(edit_maps([LabelEdit(MAN, None)], [before, near])[1], before)
    assert np.array_equal(edit_maps([LabelEdit(MAN, None)], [before, apart])[1], np.full_like(before, WALL))


def test_label_editor_fills_unseen_pixels_from_memory() -> None:
    """Pixels that were always covered take the remembered label beside them, or the wall if it is nearer."""
    edited_maps = edit_maps([LabelEdit(MAN, None)], [ids("2222444411"), ids("2244444411")])
    assert edited_maps[1].tolist() == [[2, 2, 2, 2, 2, 2, 1, 1, 1, 1]]
    # A tree between the arms does not match the labels at the sides.
    assert edit_maps([LabelEdit(MAN, None)], [ids("142241"), ids("144441")])[1].tolist() == [[1, 1, 1, 1, 1, 1]]


def test_label_editor_remembers_frames_before_the_removal() -> None:
    scene, covered = ids("111", "121", "111"), ids("111", "141", "111")
    late_removal = [LabelEdit(MAN, None, EditRegion(start_frame=2))]
    edited_maps = edit_maps(late_removal, [scene, covered, covered])
    assert edited_maps[1].tolist() == covered.tolist()  # the removal starts at the next frame
    assert edit_maps(late_removal, [covered], first=2)[0][1, 1] == WALL  # another clip has no memory


def test_label_editor_counts_unfilled_frames() -> None:
    editor = LabelEditor([LabelEdit(MAN, None)], CLASS_IDS)
    full_map = ids("44", "44")
    assert np.array_equal(editor({LABELS_KEY: full_map}, 0)[LABELS_KEY], full_map)
    assert (editor.num_unfilled_frames, editor.changed_pixels) == (1, [0])
    editor({LABELS_KEY: ids("11", "12")}, 1)
    assert editor({LABELS_KEY: full_map}, 2)[LABELS_KEY].tolist() == [
        [1, 1],
        [1, 2],
    ]  # the remembered labels fill the whole map
    assert (editor.num_unfilled_frames, editor.changed_pixels) == (1, [4])


def test_label_editor_updates_instance_ids() -> None:
    labels, instances = ids("1133444"), np.array([[1, 1, 3001, 3001, 4001, 4002, 4002]], dtype=np.uint16)
    editor = LabelEditor([LabelEdit(MAN, None), LabelEdit(WALL, TREE), LabelEdit(CAR, ROAD)], CLASS_IDS)
    result = editor({LABELS_KEY: labels, "instances": instances}, 0)
    assert result[LABELS_KEY].tolist() == [[2, 2, 0, 0, 0, 0, 0]]
    # The removed person takes the car's instance, the replaced car keeps its own, and the wall takes the new class id.
    assert result["instances"].tolist() == [[2, 2, 3001, 3001, 3001, 3001, 3001]]
    assert result["instances"].dtype == np.uint16


def test_label_editor_restores_remembered_instances() -> None:
    scene, instances = ids("333", "333", "333"), np.full((3, 3), 3001, dtype=np.uint16)
    covered, covered_instances = scene.copy(), instances.copy()
    covered[1, 1], covered_instances[1, 1] = MAN, 4001
    editor = LabelEditor([LabelEdit(MAN, None)], CLASS_IDS)
    editor({LABELS_KEY: scene, "instances": instances}, 0)
    assert np.array_equal(editor({LABELS_KEY: covered, "instances": covered_instances}, 1)["instances"], instances)


def test_label_editor_skips_other_shapes_and_widens_dtype() -> None:
    rgb_image = np.zeros((1, 2, 3), np.uint8)
    images = {LABELS_KEY: ids("12"), "rgb": rgb_image}
    result = LabelEditor([LabelEdit(WALL, 700)], (*CLASS_IDS, 700))(images, 0)
    assert result[LABELS_KEY].tolist() == [[700, 2]]
    assert result["rgb"] is rgb_image
    assert images[LABELS_KEY].tolist() == [[1, 2]]  # the input is not modified


REGIONS = [
    EditRegion(),
    EditRegion((0.25, 0.0, 1.0, 0.5)),
    EditRegion(start_frame=2, end_frame=4),
    EditRegion((0.0, 0.3, 0.6, 1.0), 1, 5),
]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("new_id", [CAR, None])
def test_label_editor_changes_only_the_region(region: EditRegion, new_id: int | None) -> None:
    maps = random_maps()
    originals = [label_map.copy() for label_map in maps]
    edited_maps = edit_maps([LabelEdit(MAN, new_id, region)], maps)
    for frame, (original, edited) in enumerate(zip(originals, edited_maps, strict=True)):
        assert np.array_equal(maps[frame], original)
        is_inside = np.zeros(original.shape, dtype=np.bool_)
        if region.contains_frame(frame):
            is_inside[region.pixel_slices(*original.shape)] = True
        assert (original[is_inside] == MAN).any() == is_inside.any()  # otherwise the test is vacuous
        assert not (edited[is_inside] == MAN).any()
        assert np.array_equal(edited[~is_inside], original[~is_inside])
        assert np.array_equal(edited[original != MAN], original[original != MAN])
        allowed_ids = {ROAD, WALL, TREE, CAR} if new_id is None else {new_id}
        assert set(edited[is_inside & (original == MAN)].tolist()) <= allowed_ids


@pytest.mark.parametrize("edit", [LabelEdit(MAN, None), LabelEdit(MAN, TREE)])
def test_label_editor_without_the_class_is_identity(edit: LabelEdit) -> None:
    maps = random_maps(num_classes=4)
    editor = LabelEditor([edit], CLASS_IDS)
    for frame, label_map in enumerate(maps):
        assert np.array_equal(editor({LABELS_KEY: label_map}, frame)[LABELS_KEY], label_map)
    assert (editor.changed_pixels, editor.num_unfilled_frames) == ([0], 0)


def test_label_editor_is_causal() -> None:
    maps = random_maps()
    edits = [LabelEdit(MAN, None), LabelEdit(WALL, TREE)]
    edited_maps = edit_maps(edits, maps)
    edited_with_other_future = edit_maps(edits, [*maps[:3], *random_maps(3, num_classes=4)])
    assert np.array_equal(edited_maps[:3], edited_with_other_future[:3])
