"""The labels plugin: the contract, and rendering of ids, colours, RGB images and instances."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from vid2vid_labels.classes import CLASS_SETS, resolve_classes
from vid2vid_labels.drawing import instance_outlines

from vid2vid_cli.conditioning import Annotation, View, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.images import load_png, save_png
from vid2vid_cli.media.label_images import save_indexed_png
from vid2vid_cli.testing import ConditionerContract

LABEL_MAP = np.arange(48 * 64, dtype=np.int64).reshape(48, 64) // 500
"""A label map with the ids 0 to 6 in bands."""


def shifted_label_map(index: int) -> Any:
    return np.roll(LABEL_MAP, 3 * index, axis=1).astype(np.uint8)


class SmallClipContract(ConditionerContract):
    name = "labels"

    def clip(self) -> list[Any]:
        return [np.full((48, 64, 3), 20 * index, np.uint8) for index in range(6)]


class TestIdsContract(SmallClipContract):
    """Label ids with 16-bit instance ids."""

    options: ClassVar = {"format": "ids", "classes": "7"}
    alternative_options: ClassVar = {"ignore_ids": "6"}

    def write_input_files(self, folder: Path) -> Mapping[str, Any]:
        for name in ("seg", "inst"):
            (folder / name).mkdir()
        for index in range(6):
            save_indexed_png(folder / "seg" / f"{index}.png", shifted_label_map(index))
            save_png(folder / "inst" / f"{index}.png", shifted_label_map(index).astype(np.uint16) * 1000)
        return {"input_dir": folder / "seg", "instances": folder / "inst"}


class TestColoursContract(SmallClipContract):
    options: ClassVar = {"format": "colours", "classes": "voc"}
    alternative_options: ClassVar = {"snap_colours": "true"}

    def write_input_files(self, folder: Path) -> Mapping[str, Any]:
        colours = np.array([label_class.colour for label_class in CLASS_SETS["voc"]], np.uint8)
        for index in range(6):
            save_png(folder / f"{index}.png", colours[shifted_label_map(index)])
        return {"input_dir": folder}


class TestRgbContract(SmallClipContract):
    options: ClassVar = {"format": "rgb"}

    def write_input_files(self, folder: Path) -> Mapping[str, Any]:
        for index in range(6):
            save_png(folder / f"{index}.png", np.repeat(shifted_label_map(index)[:, :, None] * 30, 3, axis=2))
        return {"input_dir": folder}


def read_labels(folder: Path, shape: tuple[int, int], count: int = 1, **options: Any) -> tuple[Any, list[Annotation]]:
    conditioner = load_conditioner("labels", {"input_dir": folder, **options})
    return conditioner, list(conditioner.annotate(detect_cuts([np.zeros((*shape, 3), np.uint8)] * count)))


def full_view(shape: tuple[int, int], scale: float = 1) -> View:
    return View.from_box((0, 0, shape[1], shape[0]), round(shape[0] * scale), round(shape[1] * scale))


def test_render_one_hot_by_hand(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 2], [2, 255, 0]], np.uint8)
    save_indexed_png(tmp_path / "a.png", ids)
    conditioner, (annotation,) = read_labels(tmp_path, (2, 3), classes=3, ignore_ids=255)
    channels = conditioner.render(annotation, full_view((2, 3)))
    assert channels.tolist() == [[[1, -1, -1], [-1, -1, 1]], [[-1, 1, -1], [-1, -1, -1]], [[-1, -1, 1], [1, -1, -1]]]
    assert conditioner.visualize(annotation, full_view((2, 3)))[1, 1].tolist() == [0, 0, 0]


def test_render_ignored_ids_set_no_channel(tmp_path: Path) -> None:
    save_indexed_png(tmp_path / "a.png", np.array([[7, 8], [0, 1]], np.uint8))
    conditioner, (annotation,) = read_labels(tmp_path, (2, 2), classes="cityscapes", ignore_ids="0,1,2,3")
    assert conditioner.num_channels == 34, "ignored ids keep their channels, so that a model accepts such labels"
    channels = conditioner.render(annotation, full_view((2, 2)))
    names = [label_class.name for label_class in conditioner.classes()]
    assert (channels[names.index("road")] == [[1, -1], [-1, -1]]).all()
    assert (channels[:, 1] == -1).all()


def test_class_ids_need_not_be_contiguous(tmp_path: Path) -> None:
    class_list = '[{"id": 300, "name": "b", "colour": [1, 2, 3]}, {"id": 5, "name": "a", "color": "#0a0b0c"}]'
    (tmp_path / "set.json").write_text(class_list)
    (tmp_path / "seg").mkdir()
    save_png(tmp_path / "seg" / "a.png", np.array([[5, 300]], np.uint16))
    conditioner, (annotation,) = read_labels(tmp_path / "seg", (1, 2), classes=str(tmp_path / "set.json"))
    assert annotation.images["labels"].dtype == np.uint16
    assert conditioner.render(annotation, full_view((1, 2))).tolist() == [[[1, -1]], [[-1, 1]]]
    assert conditioner.visualize(annotation, full_view((1, 2))).tolist() == [[[10, 11, 12], [1, 2, 3]]]
    restored = load_conditioner("labels", conditioner.options.persistent_values())
    assert restored.classes() == conditioner.classes()
    assert [label_class.name for label_class in restored.classes()] == ["a", "b"]


def test_render_does_not_interpolate_labels(tmp_path: Path) -> None:
    save_indexed_png(tmp_path / "a.png", shifted_label_map(0))
    conditioner, (annotation,) = read_labels(tmp_path, (48, 64), classes=7)
    for scale in (0.3, 0.7, 1.9):
        channels = conditioner.render(annotation, full_view((48, 64), scale))
        assert set(np.unique(channels)) == {-1, 1}
        assert ((channels == 1).sum(axis=0) == 1).all()


def test_instance_outlines_by_hand() -> None:
    ids = np.array([[1, 1, 1, 1], [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1]], np.uint16)
    expected = ["0110", "1111", "0110", "0000"]
    assert ["".join(str(int(is_outline)) for is_outline in row) for row in instance_outlines(ids)] == expected


def test_render_computes_outlines_at_the_view_size(tmp_path: Path) -> None:
    """An outline has one pixel on each side of a border at any size, as in pix2pixHD."""
    (tmp_path / "seg").mkdir()
    (tmp_path / "inst").mkdir()
    instances = np.zeros((64, 64), np.uint16)
    instances[:, 32:] = 26003
    save_png(tmp_path / "inst" / "a.png", instances)
    save_indexed_png(tmp_path / "seg" / "a.png", np.zeros((64, 64), np.uint8))
    conditioner, (annotation,) = read_labels(tmp_path / "seg", (64, 64), classes=2, instances=tmp_path / "inst")
    assert conditioner.options.instance_edges
    assert conditioner.num_channels == 3
    for scale in (0.25, 1, 3):
        outline = conditioner.render(annotation, full_view((64, 64), scale))[-1]
        side = round(64 * scale)
        assert ((outline == 1).sum(axis=1) == 2).all()
        assert (outline[:, side // 2 - 1 : side // 2 + 1] == 1).all()
    conditioner, (annotation,) = read_labels(
        tmp_path / "seg", (64, 64), classes=2, instances=tmp_path / "inst", instance_edges="false"
    )
    assert (conditioner.num_channels, list(annotation.images)) == (2, ["labels"])


def test_render_rgb_has_three_channels(tmp_path: Path) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[1, 2] = (255, 0, 51)
    save_png(tmp_path / "a.png", image)
    conditioner, (annotation,) = read_labels(tmp_path, (4, 6))
    assert (conditioner.options.format, conditioner.num_channels, conditioner.classes()) == ("rgb", 3, ())
    assert np.allclose(conditioner.render(annotation, full_view((4, 6)))[:, 1, 2], [1, -1, -0.6])
    half_size = conditioner.render(annotation, full_view((4, 6), 0.5))
    assert half_size[0, 0, 1] == pytest.approx(-0.5, abs=0.01), "RGB images are averaged when downscaled"


def test_class_sets_match_published_classes() -> None:
    """Names, ids and colours as published by Cityscapes and Pascal VOC."""
    sizes = {name: len(resolve_classes(name)) for name in CLASS_SETS}
    assert sizes == {"cityscapes": 34, "cityscapes_train": 19, "voc": 21}
    cityscapes = {label_class.name: label_class for label_class in CLASS_SETS["cityscapes"]}
    for name, class_id, colour in (
        ("road", 7, (128, 64, 128)),
        ("car", 26, (0, 0, 142)),
        ("bicycle", 33, (119, 11, 32)),
    ):
        assert (cityscapes[name].id, cityscapes[name].colour) == (class_id, colour)
    train_classes = {label_class.name: label_class for label_class in CLASS_SETS["cityscapes_train"]}
    assert (train_classes["road"].id, train_classes["sky"].id, train_classes["bicycle"].id) == (0, 10, 18)
    assert all(label_class.colour == cityscapes[name].colour for name, label_class in train_classes.items())
    voc = {label_class.name: label_class for label_class in CLASS_SETS["voc"]}
    assert (voc["person"].id, voc["person"].colour) == (15, (192, 128, 128))
    assert (voc["tvmonitor"].id, voc["tvmonitor"].colour) == (20, (0, 64, 128))


def test_statistics_class_shares(tmp_path: Path) -> None:
    save_indexed_png(tmp_path / "a.png", np.array([[7, 7, 7, 23]], np.uint8))
    conditioner, annotations = read_labels(tmp_path, (1, 4), classes="cityscapes")
    class_shares = {"road": 0.75, "sky": 0.25}
    assert conditioner.statistics(annotations) == {"height": 1, "width": 4, "class_shares": class_shares}


def test_render_cityscapes_frame(shared_data: Path) -> None:
    folder = shared_data / "street" / "cityscapes_instance_1frame"
    conditioner, (annotation,) = read_labels(
        folder / "seg_maps", (256, 512), classes="cityscapes", instances=folder / "instance_maps"
    )
    assert conditioner.num_channels == 35
    channels = conditioner.render(annotation, full_view((256, 512)))
    stored_ids = load_png(folder / "seg_maps" / "001.png")
    for class_id in (7, 11, 26):
        share = float((stored_ids == class_id).mean())
        assert share > 0.001
        assert float((channels[class_id] == 1).mean()) == pytest.approx(share, rel=0.05)
    ids = annotation.images["instances"]
    assert set(np.unique(ids)) <= set(np.unique(load_png(folder / "instance_maps" / "001.png")))
    assert 0.01 < float((channels[-1] == 1).mean()) < 0.2
