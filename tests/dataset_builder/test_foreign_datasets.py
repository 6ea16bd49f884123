"""Datasets prepared for vid2vid, pix2pixHD and imaginaire, taken as they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from helpers.fake_conditioners import picture
from helpers.synthetic_faces import schematic

from vid2vid_cli.core.errors import ConfigError, DatasetError, FilesMismatchError, NotAVideoError
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.dataset_builder.foreign_datasets import Layout, understand
from vid2vid_cli.dataset_builder.inputs import open_videos
from vid2vid_cli.engine.events import Event, Noticed, silent
from vid2vid_cli.media.images import save_png
from vid2vid_cli.pipelines.prepare import PrepareRequest, plan_prepare, prepare


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pictures(folder: str, count: int, height: int = 61, width: int = 97) -> None:
    Path(folder).mkdir(parents=True)
    for index in range(count):
        save_png(Path(folder) / f"{index:03d}.png", picture(index, height, width))


def faces(folder: str, shifts: Iterable[float], ending: str = ".txt") -> None:
    Path(folder).mkdir(parents=True)
    for index, shift in enumerate(shifts):
        points = np.round(schematic() * 20 + (48 + shift, 30)).astype(int)
        text = json.dumps(points.tolist()) if ending == ".json" else "".join(f"{x},{y}\n" for x, y in points)
        (Path(folder) / f"{index:03d}{ending}").write_text(text)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def understood(folder: str) -> Layout:
    layout = understand(Path(folder))
    assert layout is not None
    return layout


def test_a_face_dataset_of_vid2vid_needs_no_conditioner() -> None:
    for phase, count in (("train", 6), ("test", 3)):
        for name in ("0001", "0002"):
            pictures(f"face/{phase}_img/{name}", count)
            faces(f"face/{phase}_keypoints/{name}", range(count))
    events: list[Event] = []
    made = prepare(PrepareRequest((Path("face"),), ()), events.append)
    data = Dataset(made.path)
    assert made.path == Path("datasets/face")
    assert data.manifest.conditioner_names == ("landmarks",)
    assert data.clips("train") == [Span(0, 0, 6), Span(1, 0, 6)]
    assert data.clips("holdout") == [Span(2, 0, 3), Span(3, 0, 3)]
    first = [data.annotation(clip, 0, "landmarks").points["face"][0] for clip in range(4)]
    assert all(np.array_equal(point, first[0]) for point in first)
    moved = data.annotation(1, 5, "landmarks").points["face"] - data.annotation(1, 0, "landmarks").points["face"]
    assert np.allclose(moved, [5, 0])
    said = [event.message for event in events if isinstance(event, Noticed)]
    assert said[0] == (
        "face was prepared for another program: 4 sequences (2 to learn from, 2 held out); "
        "landmarks from train_keypoints and test_keypoints."
    )


def test_one_of_imaginaire_without_phases_holds_out_the_ends() -> None:
    pictures("set/images/a", 10)
    pictures("set/images/b", 5, 80, 120)
    faces("set/landmarks-dlib68/a", range(10), ".json")
    faces("set/landmarks-dlib68/b", range(5), ".json")
    data = Dataset(prepare(PrepareRequest((Path("set"),), ()), silent).path)
    assert data.clips("holdout") == [Span(0, 8, 10), Span(1, 4, 5)]
    assert (data.height, data.width) == (61, 97)
    # The second one is larger: its points came down with its pictures, cut about the centre.
    scale = 61 / 80
    expected = (np.array([48, 30]) + 0.5) * scale - 0.5 + [(97 - 120 * scale) / 2, 0]
    found = data.annotation(1, 0, "landmarks").points["face"][[36, 45]].mean(axis=0)
    assert found == pytest.approx(expected, abs=1)


def test_a_sequence_of_unlike_pictures_is_one_clip() -> None:
    for name in ("hd/train_img", "hd/train_label"):
        Path(name).mkdir(parents=True)
    y, x = np.mgrid[:60, :90].astype(np.uint8)
    scenes = [np.stack([2 * x, y, 0 * y], axis=-1), np.stack([255 - 4 * y, 250 - x, 200 + y // 2], axis=-1)]
    for index in range(6):
        save_png(Path(f"hd/train_img/{index}.png"), np.roll(scenes[index // 3], index, axis=1))
        save_png(Path(f"hd/train_label/{index}.png"), x // 64)
    options = {"labels": {"classes": "2"}}
    made = prepare(PrepareRequest((Path("hd"),), (), options=options), silent)
    assert Dataset(made.path).clips() == [Span(0, 0, 6)]
    rows = dict(plan_prepare(PrepareRequest((Path("hd"),), (), options=options)).rows)
    assert rows["cuts"] == "not looked for"
    pictures_alone = PrepareRequest((Path("hd/train_img"),), ("edges",))
    assert len(Dataset(prepare(pictures_alone, silent).path).clips()) == 2


def test_conditioners_that_are_named_go_first() -> None:
    pictures("set/images", 6)
    faces("set/landmarks-dlib68", range(6), ".json")
    events: list[Event] = []
    made = prepare(PrepareRequest((Path("set"),), ("edges",)), events.append)
    assert Dataset(made.path).manifest.conditioner_names == ("edges",)
    assert any("in no folders of their own" in event.message for event in events if isinstance(event, Noticed))
    rows = dict(plan_prepare(PrepareRequest((Path("set"),), ())).rows)
    assert rows["conditioner"].startswith("landmarks")
    assert rows["dataset"] == "datasets/set-2"
    with pytest.raises(ConfigError, match="given for pose"):
        prepare(PrepareRequest((Path("set"),), (), options={"pose": {"json_dir": "x"}}), silent)


def test_labels_with_instances_of_vid2vid_and_flat_ones_of_pix2pixhd() -> None:
    touch("city/train_A/s1/1.png", "city/train_B/s1/1.jpg", "city/train_inst/s1/1.png")
    layout = understood("city")
    assert layout.conditioners == ("labels",)
    (one,) = layout.sequences
    assert one.path == Path("city/train_B/s1")
    assert one.files == {"labels": {"dir": Path("city/train_A/s1"), "instances": Path("city/train_inst/s1")}}
    assert one.part == ""  # with nothing held out as a whole, the ends are
    touch("hd/train_label/1.png", "hd/train_img/1.jpg", "hd/train_inst/1.png", "hd/train_feat/1.png")
    layout = understood("hd")
    (one,) = layout.sequences
    assert (one.path, one.files["labels"]["dir"]) == (Path("hd/train_img"), Path("hd/train_label"))
    assert layout.remarks[-1] == "Not used: train_feat."


def test_pose_and_densepose_in_one_order_whatever_the_folders() -> None:
    touch("dance/train_openpose/a/1.json", "dance/train_img/a/1.jpg", "dance/train_densepose/a/1.png")
    layout = understood("dance")
    assert layout.conditioners == ("pose", "densepose")
    assert layout.sequences[0].files["pose"] == {"json_dir": Path("dance/train_openpose/a")}


def test_phases_of_imaginaire_are_folders_above_and_sequences_may_lie_deep() -> None:
    touch("c/train/images/x/1/1.jpg", "c/train/seg_maps/x/1/1.png", "c/val/images/2/1.jpg", "c/val/seg_maps/2/1.png")
    assert [(str(one.path), one.part) for one in understood("c").sequences] == [
        ("c/train/images/x/1", "train"),
        ("c/val/images/2", "holdout"),
    ]


def test_the_order_of_sequences_is_that_of_people() -> None:
    touch(*(f"c/images/s{number}/1.jpg" for number in (10, 9, 1)))
    assert [one.path.name for one in understood("c").sequences if one.path] == ["s1", "s9", "s10"]


def test_sequences_and_counts_must_agree() -> None:
    touch(*(f"c/images/s{number}/{frame}.jpg" for number in range(5) for frame in range(3)))
    touch("c/seg_maps/s0/0.png")
    with pytest.raises(FilesMismatchError, match=r"seg_maps lacks s1, s2, s3 and 1 more, which .*images has"):
        understand(Path("c"))
    touch(*(f"c/seg_maps/s{number}/{frame}.png" for number in range(5) for frame in range(3)), "c/seg_maps/s7/1.png")
    with pytest.raises(FilesMismatchError, match=r"images lacks s7, which .*seg_maps has"):
        understand(Path("c"))
    touch("f/test_img/s/1.jpg", "f/test_img/s/2.jpg", "f/test_keypoints/s/1.txt")
    with pytest.raises(FilesMismatchError, match=r"test_img/s holds 2 files and .*/s 1: none for 2\.jpg") as caught:
        understand(Path("f"))
    assert "dlib leave out frames" in caught.value.hint


def test_what_is_no_layout() -> None:
    pictures("shots", 2)
    touch("shots/images/1.png", "text/readme.txt", "clips/a/1.jpg", "clips/b/1.jpg", "city/train_B/s/1.jpg")
    assert understand(Path("shots")) is None
    assert understand(Path("text")) is None
    assert understand(Path("shots/000.png")) is None
    with pytest.raises(DatasetError, match=r"clips holds no pictures but folders \(a, b\) of no known") as caught:
        understand(Path("clips"))
    assert caught.value.hint.startswith("To take each folder of pictures as a video: vid2vid prepare")
    assert "seg_maps" in caught.value.hint
    assert "train_A" in caught.value.hint
    with pytest.raises(DatasetError) as caught:
        understand(Path("city/train_B"))
    assert caught.value.hint.startswith("Name the folder above it: city.")
    touch("empty/seg_maps/a.txt", "empty/images/1.jpg")
    with pytest.raises(DatasetError, match="seg_maps holds no picture"):
        understand(Path("empty"))


def test_pictures_are_wanted_to_learn_from() -> None:
    touch("c/train_A/s/1.png", "c/train_B/s/1.jpg", "c/test_A/t/1.png")
    opened = open_videos([Path("c")])
    assert [path for path, _ in opened.videos] == [Path("c/train_B/s")]
    assert opened.videos[0][1].part == ""
    assert "Left out: 1 sequence of c with labels and no pictures." in opened.remarks
    touch("d/test_A/t/1.png")
    with pytest.raises(DatasetError, match="holds labels without pictures") as caught:
        open_videos([Path("d")])
    assert "vid2vid synthesize" in caught.value.hint
    touch("c/test_B/t/1.jpg", "c/test_inst/t/1.png")
    with pytest.raises(FilesMismatchError, match=r"have labels\.instances and others have not"):
        open_videos([Path("c")])


def test_no_conditioner_and_nothing_to_infer_one_from() -> None:
    pictures("shots", 3)
    with pytest.raises(ConfigError, match="No conditioner was named"):
        prepare(PrepareRequest((Path("shots"),), ()), silent)
    made = prepare(PrepareRequest((Path("shots"),), ("edges",)), silent)
    with pytest.raises(NotAVideoError, match="is a dataset already"):
        prepare(PrepareRequest((made.path,), ("edges",)), silent)


def test_real_faces_of_imaginaire(shared_data: Path) -> None:
    made = prepare(PrepareRequest((shared_data / "face" / "dlib68_5frames",), ()), silent)
    assert made.path == Path("datasets/dlib68_5frames")
    assert made.found == {"landmarks": (5, 5)}
    assert Dataset(made.path).annotation(0, 0, "landmarks").points["face"][0].tolist() == [292, 136]
