"""Indexed label images: ids, class colours in palettes, palettes that differ between files, and RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vid2vid_labels.classes import CLASS_SETS

from vid2vid_cli.conditioning import Annotation, Conditioner, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import LabelFileError
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.label_images import save_indexed_png

CITYSCAPES_COLOURS = np.array([label_class.colour for label_class in CLASS_SETS["cityscapes"]], np.uint8)
ROAD, BUILDING, CAR, SKY = 7, 11, 26, 23


def make_ids(class_ids: tuple[int, ...]) -> Any:
    return np.repeat(np.array(class_ids, np.uint8)[None].repeat(8, axis=1), 24, axis=0)


def save_colours(path: Path, colours: Any) -> None:
    """Write RGB (h, w, 3) as indexed PNG whose palette has the colours in sorted order, as image programs do."""
    palette, indices = np.unique(colours.reshape(-1, 3), axis=0, return_inverse=True)
    full_palette = np.zeros((256, 3), np.uint8)
    full_palette[: len(palette)] = palette
    save_indexed_png(path, indices.reshape(colours.shape[:2]).astype(np.uint8), full_palette)


def write_folder(folder: Path, images: list[Any]) -> Path:
    folder.mkdir()
    for index, colours in enumerate(images):
        save_colours(folder / f"{index}.png", colours)
    return folder


def read_labels(folder: Path, **options: Any) -> tuple[Conditioner, list[Annotation]]:
    conditioner = load_conditioner("labels", {"input_dir": folder, **options})
    frames = [np.zeros((24, 24, 3), np.uint8)] * len(list(folder.iterdir()))
    return conditioner, list(conditioner.annotate(detect_cuts(frames)))


FRAMES = [make_ids((ROAD, BUILDING, CAR)), make_ids((CAR, CAR, ROAD)), make_ids((SKY, BUILDING, CAR))]


@pytest.mark.parametrize(
    "options",
    [{}, {"classes": "cityscapes"}, {"format": "colours", "classes": "cityscapes"}, {"format": "colours"}],
    ids=["auto", "classes", "explicit", "format"],
)
def test_class_colours_are_found_in_palettes(tmp_path: Path, options: dict[str, str]) -> None:
    folder = write_folder(tmp_path / "seg", [CITYSCAPES_COLOURS[ids] for ids in FRAMES])
    conditioner, annotations = read_labels(folder, **options)
    assert conditioner.options.format == "colours"
    assert conditioner.options.classes == "cityscapes"
    for annotation, ids in zip(annotations, FRAMES, strict=True):
        assert np.array_equal(annotation.images["labels"], ids)


def test_class_colours_are_found_in_equal_palettes(tmp_path: Path) -> None:
    """Here every file has the same palette, but its indices are not the class ids."""
    folder = write_folder(tmp_path / "seg", [CITYSCAPES_COLOURS[FRAMES[0]]] * 2)
    conditioner, annotations = read_labels(folder, classes="cityscapes")
    assert conditioner.options.format == "colours"
    assert "palettes" in conditioner.remarks[0]
    assert np.array_equal(annotations[1].images["labels"], FRAMES[0])


def test_indices_with_the_palette_of_their_classes_are_ids(tmp_path: Path) -> None:
    """Ids 0 to 4 of Cityscapes have one colour, so that the colours do not contain the ids."""
    (tmp_path / "seg").mkdir()
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(CITYSCAPES_COLOURS)] = CITYSCAPES_COLOURS
    ids = make_ids((1, 3, ROAD))
    save_indexed_png(tmp_path / "seg" / "0.png", ids, palette)
    conditioner, (annotation,) = read_labels(tmp_path / "seg", classes="cityscapes")
    assert conditioner.options.format == "ids"
    assert np.array_equal(annotation.images["labels"], ids)


@pytest.mark.parametrize(
    "palette", [np.zeros((256, 3)), np.full((256, 3), 9), np.random.default_rng(0).random((256, 3))]
)
def test_indices_with_other_palettes_are_ids(tmp_path: Path, palette: Any) -> None:
    (tmp_path / "seg").mkdir()
    save_indexed_png(tmp_path / "seg" / "0.png", FRAMES[0], (palette * 255).astype(np.uint8))
    conditioner, (annotation,) = read_labels(tmp_path / "seg", classes="cityscapes")
    assert conditioner.options.format == "ids"
    assert "indices" in conditioner.remarks[0]
    assert np.array_equal(annotation.images["labels"], FRAMES[0])


@pytest.mark.parametrize("options", [{"format": "ids", "classes": "34"}, {"classes": "5"}], ids=["explicit", "auto"])
def test_ids_with_differing_palettes_are_rejected(tmp_path: Path, options: dict[str, str]) -> None:
    folder = write_folder(tmp_path / "seg", [CITYSCAPES_COLOURS[ids] for ids in FRAMES])
    with pytest.raises(
        LabelFileError, match=r"index 1 is \(128, 64, 128\) in .*1\.png and \(70, 70, 70\) in .*0\.png"
    ) as caught:
        read_labels(folder, **options)
    assert "labels.format=colours" in caught.value.hint


def test_differing_palettes_beyond_the_sample_are_rejected(tmp_path: Path) -> None:
    """The palettes of all files are compared, not only those of the sample that is read first."""
    images = [CITYSCAPES_COLOURS[FRAMES[0]]] * 40
    images[1] = CITYSCAPES_COLOURS[FRAMES[2]]
    folder = write_folder(tmp_path / "seg", images)
    with pytest.raises(LabelFileError, match=r"1\.png"):
        read_labels(folder, format="ids", classes="34")


def test_instance_ids_with_differing_palettes_are_rejected(tmp_path: Path) -> None:
    labels = write_folder(tmp_path / "seg", [CITYSCAPES_COLOURS[ids] for ids in FRAMES])
    instances = write_folder(tmp_path / "inst", [CITYSCAPES_COLOURS[ids] for ids in FRAMES])
    with pytest.raises(LabelFileError, match="inst"):
        read_labels(labels, classes="cityscapes", instances=instances)


@pytest.mark.parametrize("options", [{}, {"format": "rgb"}], ids=["auto", "explicit"])
def test_rgb_uses_the_palette(tmp_path: Path, options: dict[str, str]) -> None:
    drawings = [np.zeros((24, 24, 3), np.uint8) for _ in range(2)]
    drawings[0][3:9, 4:6] = (255, 85, 0)
    drawings[1][3:9, 4:6] = (0, 255, 170)
    conditioner, annotations = read_labels(write_folder(tmp_path / "draw", drawings), **options)
    assert conditioner.options.format == "rgb"
    for annotation, drawing in zip(annotations, drawings, strict=True):
        assert np.array_equal(annotation.images["rgb"], drawing)


def test_explicit_colours_apply_to_grey_images(tmp_path: Path) -> None:
    """Image programs save colours that happen to be grey as grey; building is (70, 70, 70)."""
    (tmp_path / "seg").mkdir()
    save_png(tmp_path / "seg" / "0.png", CITYSCAPES_COLOURS[make_ids((0, BUILDING, 0))][:, :, 0])
    _, (annotation,) = read_labels(tmp_path / "seg", format="colours", classes="cityscapes")
    assert np.array_equal(annotation.images["labels"], make_ids((0, BUILDING, 0)))
    save_png(tmp_path / "seg" / "0.png", FRAMES[0])
    with pytest.raises(LabelFileError, match=r"\(7, 7, 7\)") as caught:
        read_labels(tmp_path / "seg", format="colours", classes="cityscapes")
    assert "labels.format=ids" in caught.value.hint
