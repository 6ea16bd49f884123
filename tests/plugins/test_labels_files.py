"""Which label pictures fit a video, what is assumed about them, and what is said when they do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from vid2vid_labels.classes import SETS

from vid2vid_cli.conditioning import Annotation, Conditioner, Footage, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError, FilesMismatchError, LabelFilesError, MissingFileError
from vid2vid_cli.engine.events import Noticed
from vid2vid_cli.media.images import save_jpeg, save_png
from vid2vid_cli.media.label_png import load_labels, save_labels
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare

CITYSCAPES = np.array([one.colour for one in SETS["cityscapes"]], np.uint8)


def ids_of(index: int, height: int = 24, width: int = 32) -> Any:
    """Cityscapes ids 7, 11 and 26 in moving bands."""
    bands = np.array([7, 11, 26], np.uint8)[(np.arange(width) + 3 * index) // 11 % 3]
    return np.repeat(bands[None], height, axis=0)


def folder_of(folder: Path, pictures: Sequence[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(pictures):
        save_png(folder / f"{index}.png", picture)
    return folder


def video_of(path: Path, pictures: Sequence[Any], codec: str = "ffv1", kind: str = "") -> Path:
    own = "rgb24" if pictures[0].ndim == 3 else "gray" if pictures[0].dtype == np.uint8 else "gray16le"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = kind or own
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format=own)))
        container.mux(stream.encode())
    return path


def footage(count: int | None, height: int, width: int, view: View | None = None) -> Footage:
    own = View.of_box((0, 0, width, height), height, width)
    return Footage(Path("clip.mp4"), height, width, count, Fraction(25), view or own, Fraction(25))


def labels(**options: Any) -> Conditioner:
    return load_conditioner("labels", options)


def annotate(conditioner: Conditioner, count: int = 1, height: int = 24, width: int = 32) -> list[Annotation]:
    return list(conditioner.annotate([np.zeros((height, width, 3), np.uint8)] * count))


# What is assumed


def test_ids_need_a_name(tmp_path: Path) -> None:
    folder_of(tmp_path, [ids_of(0), ids_of(1)])
    with pytest.raises(LabelFilesError, match=r"In its pictures: 7, 11, 26\.") as caught:
        labels(dir=tmp_path)
    assert "labels.classes=cityscapes" in caught.value.hint
    assert "labels.classes=27 " in caught.value.hint


def test_colours_of_a_well_known_set_are_recognised(tmp_path: Path) -> None:
    conditioner = labels(dir=folder_of(tmp_path, [CITYSCAPES[ids_of(0)]]))
    assert (conditioner.options.kind, conditioner.options.classes) == ("colours", "cityscapes")
    assert "34 classes, cityscapes" in conditioner.remarks[0]
    (one,) = annotate(conditioner)
    assert np.array_equal(one.images["labels"], ids_of(0))


def test_drawings_are_taken_as_they_are(tmp_path: Path) -> None:
    shades = np.arange(24 * 32, dtype=np.int64).reshape(24, 32) // 3
    grey = folder_of(tmp_path / "grey", [shades.astype(np.uint8)])
    blue = folder_of(tmp_path / "blue", [np.full((24, 32, 3), (0, 0, 153), np.uint8)])
    for folder in (grey, blue):
        conditioner = labels(dir=folder)
        assert (conditioner.options.kind, conditioner.channels) == ("rgb", 3)
        assert "labels.kind=rgb" in conditioner.remarks[0]
    (one,) = annotate(labels(dir=grey))
    assert np.array_equal(one.images["rgb"][:, :, 2], shades.astype(np.uint8))


def test_ids_may_be_saved_as_rgb(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [np.repeat(ids_of(0)[:, :, None], 3, axis=2)])
    (one,) = annotate(labels(dir=folder, classes="cityscapes"))
    assert np.array_equal(one.images["labels"], ids_of(0))


def test_what_was_assumed_lasts(tmp_path: Path) -> None:
    """A dataset and a checkpoint render without the files."""
    made = labels(dir=folder_of(tmp_path, [CITYSCAPES[ids_of(0)]]))
    again = labels(**made.options.lasting())
    assert (again.channels, again.options.edges, again.remarks) == (34, False, ())


def test_a_folder_of_folders_is_settled_later(tmp_path: Path) -> None:
    """Where the files of several videos are kept together, each is known only when its video is."""
    folder_of(tmp_path / "one", [CITYSCAPES[ids_of(0)]])
    conditioner = labels(dir=tmp_path)
    assert conditioner.options.kind == "auto"
    bound = type(conditioner)(conditioner.options.model_copy(update={"dir": tmp_path / "one"}))
    assert bound.channels == 34


def test_without_files_it_says_what_is_missing() -> None:
    for use in (lambda: annotate(labels()), lambda: labels().channels):
        with pytest.raises(MissingFileError) as caught:
            use()
        assert "labels.dir=FOLDER" in caught.value.hint
    with pytest.raises(MissingFileError, match=r"nowhere does not exist"):
        annotate(labels(dir="nowhere", classes=3, kind="ids"))


# Video


@pytest.mark.parametrize("sixteen", [False, True])
def test_ffv1_keeps_ids(tmp_path: Path, sixteen: bool) -> None:
    ids = [ids_of(index).astype(np.uint16 if sixteen else np.uint8) for index in range(5)]
    source = video_of(tmp_path / "ids.mkv", ids)
    found = annotate(labels(dir=source, classes="cityscapes"), 5)
    assert all(np.array_equal(one.images["labels"], own) for one, own in zip(found, ids, strict=True))


def test_ffv1_of_colours_and_of_16_bit_instances(tmp_path: Path) -> None:
    ids = [ids_of(index) for index in range(3)]
    source = video_of(tmp_path / "colours.mkv", [CITYSCAPES[own] for own in ids], kind="bgr0")
    instances = [own.astype(np.uint16) * 1000 + 3 for own in ids]
    own = video_of(tmp_path / "instances.mkv", instances)
    found = annotate(labels(dir=source, instances=own), 3)
    for one, label, instance in zip(found, ids, instances, strict=True):
        assert np.array_equal(one.images["labels"], label)
        assert np.array_equal(one.images["instances"], instance)


def test_a_label_video_is_read_where_prepare_is(tmp_path: Path) -> None:
    ids = [np.full((24, 32), index, np.uint8) for index in range(90)]
    conditioner = labels(dir=video_of(tmp_path / "ids.mkv", ids), classes=90)
    own = footage(90, 24, 32)
    for first in (0, 4, 40):
        bound = conditioner.of(replace(own, rate=own.fps / 2, start=0.12, first=first))
        seen = [int(one.images["labels"][0, 0]) for one in annotate(bound, 3)]
        assert seen == [3 + 2 * (first + index) for index in range(3)]


@pytest.mark.parametrize(("codec", "kind"), [("libx264", "yuv420p"), ("ffv1", "yuv444p")])
def test_codecs_that_change_ids_are_refused(tmp_path: Path, codec: str, kind: str) -> None:
    source = video_of(tmp_path / "ids.mkv", [np.repeat(ids_of(0)[:, :, None], 3, axis=2)] * 3, codec, kind)
    for kind_of_labels in ("ids", "auto"):
        with pytest.raises(LabelFilesError, match="does not keep ids exactly") as caught:
            annotate(labels(dir=source, kind=kind_of_labels, classes="cityscapes"), 3)
        assert "ffv1" in caught.value.hint


def test_blurred_colours_find_the_nearest_class(tmp_path: Path) -> None:
    save_jpeg(tmp_path / "0.jpg", CITYSCAPES[ids_of(0)], 90)
    with pytest.raises(LabelFilesError, match=r"0\.jpg holds colours of no class") as caught:
        annotate(labels(dir=tmp_path, classes="cityscapes"))
    assert "labels.nearest=true" in caught.value.hint
    (one,) = annotate(labels(dir=tmp_path, classes="cityscapes", nearest=True))
    assert (one.images["labels"] == ids_of(0)).mean() > 0.97


# What does not fit


def test_an_id_out_of_range_is_named(tmp_path: Path) -> None:
    ids = [ids_of(0), ids_of(1)]
    ids[1] = ids[1].copy()
    ids[1][5, 9:12] = 40
    folder_of(tmp_path, ids)
    with pytest.raises(LabelFilesError, match=r"1\.png holds an id of no class: 40 at x=9, y=5 \(3 pixels\)") as caught:
        annotate(labels(dir=tmp_path, classes="cityscapes"), 2)
    assert "The classes are 0 to 33" in caught.value.message
    assert "labels.classes=41" in caught.value.hint
    assert "labels.ignore=40" in caught.value.hint
    annotate(labels(dir=tmp_path, classes="cityscapes", ignore=40), 2)


def test_the_hint_for_void_keeps_what_is_ignored(tmp_path: Path) -> None:
    folder_of(tmp_path, [np.full((24, 32), 255, np.uint8)])
    with pytest.raises(LabelFilesError) as caught:
        annotate(labels(dir=tmp_path, classes="cityscapes", ignore="0,1"))
    assert caught.value.hint.startswith("--option labels.ignore=0,1,255 ")


def test_a_colour_of_no_class_is_named(tmp_path: Path) -> None:
    picture = CITYSCAPES[ids_of(0)]
    picture[2, 3] = (1, 2, 3)
    folder_of(tmp_path, [picture])
    with pytest.raises(
        LabelFilesError, match=r"0\.png holds a colour of no class: \(1, 2, 3\) at x=3, y=2 \(1 pixel\)"
    ):
        annotate(labels(dir=tmp_path, kind="colours", classes="cityscapes"))


def test_counts_and_shapes_must_fit(tmp_path: Path) -> None:
    folder_of(tmp_path / "a", [ids_of(0)] * 3)
    conditioner = labels(dir=tmp_path / "a", classes="cityscapes")
    with pytest.raises(FilesMismatchError, match=r"holds 3 pictures, and clip\.mp4 has 4 frames"):
        annotate(conditioner.of(footage(4, 24, 32)))
    with pytest.raises(FilesMismatchError, match="ends after 3 pictures"):
        annotate(conditioner.of(footage(None, 24, 32)), 4)
    with pytest.raises(FilesMismatchError, match=r"0\.png is 32 x 24, and the video 32 x 32"):
        annotate(conditioner.of(footage(3, 32, 32)), height=32)
    folder_of(tmp_path / "b", [ids_of(0)] * 2)
    both = labels(dir=tmp_path / "a", instances=tmp_path / "b", classes="cityscapes")
    with pytest.raises(FilesMismatchError, match=r"labels.instances\) holds 2 pictures"):
        annotate(both.of(footage(3, 24, 32)))


def test_labels_of_another_scale_lie_where_the_video_shows_them(tmp_path: Path) -> None:
    """Half as large as the video, of which prepare keeps the right half."""
    save_labels(tmp_path / "0.png", np.repeat(np.arange(16, dtype=np.uint8)[None], 8, axis=0))
    view = View(((1.0, 0.0, -16.0), (0.0, 1.0, 0.0)), 16, 16)
    conditioner = labels(dir=tmp_path, classes=16).of(footage(1, 16, 32, view))
    (one,) = annotate(conditioner, height=16, width=16)
    assert one.images["labels"][0].tolist() == [8 + index // 2 for index in range(16)]


def test_instances_must_be_grey_and_there(tmp_path: Path) -> None:
    folder_of(tmp_path / "a", [ids_of(0)])
    folder_of(tmp_path / "b", [CITYSCAPES[ids_of(0)]])
    with pytest.raises(LabelFilesError, match="holds colours, not instance ids"):
        annotate(labels(dir=tmp_path / "a", instances=tmp_path / "b", classes="cityscapes"))
    with pytest.raises(MissingFileError, match="no instance ids were named"):
        annotate(labels(dir=tmp_path / "a", edges=True, classes="cityscapes"))


# Files of classes


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '["road", "sky"]'),
        ("b.json", '{"road": [128, 64, 128], "sky": "#4682b4"}'),
        ("c.json", '{"0": "road", "1": {"name": "sky", "color": [70, 130, 180]}}'),
        ("d.yaml", "- {id: 0, name: road, colour: [128, 64, 128]}\n- {name: sky, colour: '#4682b4'}\n"),
        ("e.txt", "# mine\nroad 128 64 128\n\nsky 70 130 180  # blue\n"),
        ("f.csv", "name,r,g,b\nroad,128,64,128\nsky,70,130,180\n"),
        ("g.txt", "128 64 128\troad\n70 130 180\tsky\n"),
        ("h.txt", "0 road #804080\n1 sky #4682b4\n"),
        ("i.txt", "\ufeff0 128 64 128 road\n1 70 130 180 sky\n"),
    ],
)
def test_files_of_classes(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    classes = labels(kind="ids", classes=str(tmp_path / name)).classes()
    assert [(one.id, one.name) for one in classes] == [(0, "road"), (1, "sky")]
    if name != "a.json":
        assert classes[1].colour == (70, 130, 180)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("road 128 64", "line 1"),
        ("road 300 1 1", "colour of road"),
        ("0 road 1 1 1\n0 sky 2 2 2", "id 0 stands twice"),
        ("", "lists no classes"),
    ],
)
def test_a_bad_file_of_classes_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.txt").write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        labels(classes=str(tmp_path / "mine.txt"))
    assert "mine.txt" in caught.value.message


@pytest.mark.parametrize(("option", "value"), [("classes", "citiscapes"), ("classes", "0"), ("ignore", "void")])
def test_bad_options_are_named(option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"labels\.{option}='{value}'"):
        labels(**{option: value})


# The whole way


def test_prepare_keeps_ids_colours_names_and_outlines(tmp_path: Path, film: Path) -> None:
    count = 24
    folder = folder_of(tmp_path / "seg", [ids_of(index, 40, 56) for index in range(count)])
    instances = folder_of(tmp_path / "inst", [ids_of(index, 40, 56).astype(np.uint16) * 1000 for index in range(count)])
    told: list[Any] = []
    options = {"labels": {"dir": str(folder), "instances": str(instances), "classes": "cityscapes"}}
    made = prepare(PrepareRequest((film,), ("labels",), tmp_path / "out", options), told.append)
    assert made.found == {"labels": (count, count)}
    assert any("34 classes" in event.message for event in told if isinstance(event, Noticed))
    stored = tmp_path / "out" / "clips" / "000" / "labels" / "labels" / "000005.png"
    ids = load_labels(stored)
    assert ids is not None
    assert np.array_equal(ids, ids_of(5, 40, 56))
    assert CITYSCAPES[26].tobytes() in stored.read_bytes(), "any viewer shows the class's own colour"
    manifest = (tmp_path / "out" / "dataset.json").read_text()
    assert '"sidewalk"' in manifest
    assert '"channels": 35' in manifest
    assert str(folder) not in manifest
