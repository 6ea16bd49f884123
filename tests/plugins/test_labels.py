"""The labels plugin: the contract, and what is made of ids, colours, drawings and instances."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from vid2vid_labels.classes import SETS, classes_of
from vid2vid_labels.drawing import outlines

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.images import load_png, save_png
from vid2vid_cli.media.label_png import save_labels
from vid2vid_cli.testing import ConditionerContract

SEVEN = np.arange(48 * 64, dtype=np.int64).reshape(48, 64) // 500
"""A label picture of ids 0 to 6 in bands."""


def moved(index: int) -> Any:
    return np.roll(SEVEN, 3 * index, axis=1).astype(np.uint8)


class Small(ConditionerContract):
    name = "labels"

    def clip(self) -> list[Any]:
        return [np.full((48, 64, 3), 20 * index, np.uint8) for index in range(6)]


class TestIds(Small):
    """With instances of 16 bits beside them."""

    options: ClassVar = {"kind": "ids", "classes": "7"}
    other_options: ClassVar = {"ignore": "6"}

    def files(self, folder: Path) -> Mapping[str, Any]:
        for name in ("seg", "inst"):
            (folder / name).mkdir()
        for index in range(6):
            save_labels(folder / "seg" / f"{index}.png", moved(index))
            save_png(folder / "inst" / f"{index}.png", moved(index).astype(np.uint16) * 1000)
        return {"dir": folder / "seg", "instances": folder / "inst"}


class TestColours(Small):
    options: ClassVar = {"kind": "colours", "classes": "voc"}
    other_options: ClassVar = {"nearest": "true"}

    def files(self, folder: Path) -> Mapping[str, Any]:
        colours = np.array([one.colour for one in SETS["voc"]], np.uint8)
        for index in range(6):
            save_png(folder / f"{index}.png", colours[moved(index)])
        return {"dir": folder}


class TestDrawings(Small):
    options: ClassVar = {"kind": "rgb"}

    def files(self, folder: Path) -> Mapping[str, Any]:
        for index in range(6):
            save_png(folder / f"{index}.png", np.repeat(moved(index)[:, :, None] * 30, 3, axis=2))
        return {"dir": folder}


def read(folder: Path, shape: tuple[int, int], count: int = 1, **options: Any) -> tuple[Any, list[Annotation]]:
    conditioner = load_conditioner("labels", {"dir": folder, **options})
    return conditioner, list(conditioner.annotate([np.zeros((*shape, 3), np.uint8)] * count))


def whole(shape: tuple[int, int], times: float = 1) -> View:
    return View.of_box((0, 0, shape[1], shape[0]), round(shape[0] * times), round(shape[1] * times))


def test_one_hot_by_hand(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 2], [2, 255, 0]], np.uint8)
    save_labels(tmp_path / "a.png", ids)
    conditioner, (one,) = read(tmp_path, (2, 3), classes=3, ignore=255)
    hot = conditioner.render(one, whole((2, 3)))
    assert hot.tolist() == [[[1, -1, -1], [-1, -1, 1]], [[-1, 1, -1], [-1, -1, -1]], [[-1, -1, 1], [1, -1, -1]]]
    assert conditioner.picture(one, whole((2, 3)))[1, 1].tolist() == [0, 0, 0]


def test_ids_that_are_ignored_set_no_channel(tmp_path: Path) -> None:
    save_labels(tmp_path / "a.png", np.array([[7, 8], [0, 1]], np.uint8))
    conditioner, (one,) = read(tmp_path, (2, 2), classes="cityscapes", ignore="0,1,2,3")
    assert conditioner.channels == 34, "a model can be driven by labels of which more is ignored"
    hot = conditioner.render(one, whole((2, 2)))
    names = [found.name for found in conditioner.classes()]
    assert (hot[names.index("road")] == [[1, -1], [-1, -1]]).all()
    assert (hot[:, 1] == -1).all()


def test_classes_need_not_be_numbered_through(tmp_path: Path) -> None:
    listed = '[{"id": 300, "name": "b", "colour": [1, 2, 3]}, {"id": 5, "name": "a", "color": "#0a0b0c"}]'
    (tmp_path / "set.json").write_text(listed)
    (tmp_path / "seg").mkdir()
    save_png(tmp_path / "seg" / "a.png", np.array([[5, 300]], np.uint16))
    conditioner, (one,) = read(tmp_path / "seg", (1, 2), classes=str(tmp_path / "set.json"))
    assert one.images["labels"].dtype == np.uint16
    assert conditioner.render(one, whole((1, 2))).tolist() == [[[1, -1]], [[-1, 1]]]
    assert conditioner.picture(one, whole((1, 2))).tolist() == [[[10, 11, 12], [1, 2, 3]]]
    again = load_conditioner("labels", conditioner.options.lasting())
    assert again.classes() == conditioner.classes()
    assert [one.name for one in again.classes()] == ["a", "b"]


def test_labels_are_never_blended(tmp_path: Path) -> None:
    save_labels(tmp_path / "a.png", moved(0))
    conditioner, (one,) = read(tmp_path, (48, 64), classes=7)
    for times in (0.3, 0.7, 1.9):
        hot = conditioner.render(one, whole((48, 64), times))
        assert set(np.unique(hot)) == {-1, 1}
        assert ((hot == 1).sum(axis=0) == 1).all()


def test_outlines_by_hand() -> None:
    ids = np.array([[1, 1, 1, 1], [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1]], np.uint16)
    expected = ["0110", "1111", "0110", "0000"]
    assert ["".join(str(int(v)) for v in row) for row in outlines(ids)] == expected


def test_outlines_are_taken_at_the_size_that_is_rendered(tmp_path: Path) -> None:
    """One pixel on each side of a border at any size, as in pix2pixHD, and not a scaled drawing."""
    (tmp_path / "seg").mkdir()
    (tmp_path / "inst").mkdir()
    inst = np.zeros((64, 64), np.uint16)
    inst[:, 32:] = 26003
    save_png(tmp_path / "inst" / "a.png", inst)
    save_labels(tmp_path / "seg" / "a.png", np.zeros((64, 64), np.uint8))
    conditioner, (one,) = read(tmp_path / "seg", (64, 64), classes=2, instances=tmp_path / "inst")
    assert conditioner.options.edges
    assert conditioner.channels == 3
    for times in (0.25, 1, 3):
        edge = conditioner.render(one, whole((64, 64), times))[-1]
        side = round(64 * times)
        assert ((edge == 1).sum(axis=1) == 2).all()
        assert (edge[:, side // 2 - 1 : side // 2 + 1] == 1).all()
    without, (bare,) = read(tmp_path / "seg", (64, 64), classes=2, instances=tmp_path / "inst", edges="false")
    assert (without.channels, list(bare.images)) == (2, ["labels"])


def test_a_drawing_is_three_channels(tmp_path: Path) -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[1, 2] = (255, 0, 51)
    save_png(tmp_path / "a.png", picture)
    conditioner, (one,) = read(tmp_path, (4, 6))
    assert (conditioner.options.kind, conditioner.channels, conditioner.classes()) == ("rgb", 3, ())
    assert np.allclose(conditioner.render(one, whole((4, 6)))[:, 1, 2], [1, -1, -0.6])
    half = conditioner.render(one, whole((4, 6), 0.5))
    assert half[0, 0, 1] == pytest.approx(-0.5, abs=0.01), "drawings are averaged where they shrink"


def test_well_known_sets() -> None:
    """Names, ids and colours as Cityscapes and Pascal VOC publish them."""
    sizes = {name: len(classes_of(name)) for name in SETS}
    assert sizes == {"cityscapes": 34, "cityscapes_train": 19, "voc": 21}
    cityscapes = {one.name: one for one in SETS["cityscapes"]}
    for name, label, colour in (("road", 7, (128, 64, 128)), ("car", 26, (0, 0, 142)), ("bicycle", 33, (119, 11, 32))):
        assert (cityscapes[name].id, cityscapes[name].colour) == (label, colour)
    trained = {one.name: one for one in SETS["cityscapes_train"]}
    assert (trained["road"].id, trained["sky"].id, trained["bicycle"].id) == (0, 10, 18)
    assert all(one.colour == cityscapes[one.name].colour for one in SETS["cityscapes_train"])
    voc = {one.name: one for one in SETS["voc"]}
    assert (voc["person"].id, voc["person"].colour) == (15, (192, 128, 128))
    assert (voc["tvmonitor"].id, voc["tvmonitor"].colour) == (20, (0, 64, 128))


def test_shares_of_classes(tmp_path: Path) -> None:
    save_labels(tmp_path / "a.png", np.array([[7, 7, 7, 23]], np.uint8))
    conditioner, found = read(tmp_path, (1, 4), classes="cityscapes")
    assert conditioner.statistics(found) == {"height": 1, "width": 4, "shares": {"road": 0.75, "sky": 0.25}}


def test_real_cityscapes(shared_data: Path) -> None:
    folder = shared_data / "street" / "cityscapes_instance_1frame"
    conditioner, (one,) = read(
        folder / "seg_maps", (256, 512), classes="cityscapes", instances=folder / "instance_maps"
    )
    assert conditioner.channels == 35
    hot = conditioner.render(one, whole((256, 512)))
    own = load_png(folder / "seg_maps" / "001.png")
    for label in (7, 11, 26):
        share = float((own == label).mean())
        assert share > 0.001
        assert float((hot[label] == 1).mean()) == pytest.approx(share, rel=0.05)
    ids = one.images["instances"]
    assert set(np.unique(ids)) <= set(np.unique(load_png(folder / "instance_maps" / "001.png")))
    assert 0.01 < float((hot[-1] == 1).mean()) < 0.2
