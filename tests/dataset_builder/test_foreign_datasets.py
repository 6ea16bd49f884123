"""Datasets in the layouts of vid2vid, pix2pixHD and imaginaire."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from helpers.fake_conditioners import mark_frame
from helpers.synthetic_faces import schematic_face

from vid2vid_cli.core.errors import ConfigError, DatasetError, InputFileMismatchError, NotAVideoError
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.dataset_builder.foreign_datasets import ForeignDataset, parse_layout
from vid2vid_cli.dataset_builder.inputs import find_input_videos
from vid2vid_cli.engine.events import Event, InfoEvent, WarningEvent, ignore_events
from vid2vid_cli.media.images import save_png
from vid2vid_cli.pipelines.prepare import PrepareRequest, plan_prepare, prepare


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_images(folder: str, count: int, height: int = 61, width: int = 97) -> None:
    Path(folder).mkdir(parents=True)
    for index in range(count):
        save_png(Path(folder) / f"{index:03d}.png", mark_frame(index, height, width))


def write_face_points(folder: str, shifts: Iterable[float], suffix: str = ".txt") -> None:
    Path(folder).mkdir(parents=True)
    for index, shift in enumerate(shifts):
        points = np.round(schematic_face() * 20 + (48 + shift, 30)).astype(int)
        text = json.dumps(points.tolist()) if suffix == ".json" else "".join(f"{x},{y}\n" for x, y in points)
        (Path(folder) / f"{index:03d}{suffix}").write_text(text)


def touch_files(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def parse_existing_layout(folder: str) -> ForeignDataset:
    foreign_dataset = parse_layout(Path(folder))
    assert foreign_dataset is not None
    return foreign_dataset


def test_prepare_vid2vid_face_dataset_infers_conditioner() -> None:
    for phase, count in (("train", 6), ("test", 3)):
        for name in ("0001", "0002"):
            write_images(f"face/{phase}_img/{name}", count)
            write_face_points(f"face/{phase}_keypoints/{name}", range(count))
    events: list[Event] = []
    result = prepare(PrepareRequest((Path("face"),), ()), events.append)
    data = Dataset(result.path)
    assert result.path == Path("datasets/face")
    assert data.manifest.conditioner_names == ("landmarks",)
    assert data.frame_ranges("train") == [FrameRange(0, 0, 6), FrameRange(1, 0, 6)]
    assert data.frame_ranges("val") == [FrameRange(2, 0, 3), FrameRange(3, 0, 3)]
    first_points = [data.load_annotation(clip, 0, "landmarks").points["face"][0] for clip in range(4)]
    assert all(np.array_equal(point, first_points[0]) for point in first_points)
    displacement = (
        data.load_annotation(1, 5, "landmarks").points["face"] - data.load_annotation(1, 0, "landmarks").points["face"]
    )
    assert np.allclose(displacement, [5, 0])
    messages = [event.message for event in events if isinstance(event, InfoEvent)]
    for value in ("face", "4 sequences", "2 training", "2 validation", "train_keypoints", "test_keypoints"):
        assert value in messages[0]


def test_prepare_imaginaire_without_phases_holds_out_ends() -> None:
    write_images("set/images/a", 10)
    write_images("set/images/b", 5, 80, 120)
    write_face_points("set/landmarks-dlib68/a", range(10), ".json")
    write_face_points("set/landmarks-dlib68/b", range(5), ".json")
    data = Dataset(prepare(PrepareRequest((Path("set"),), ()), ignore_events).path)
    assert data.frame_ranges("val") == [FrameRange(0, 8, 10), FrameRange(1, 4, 5)]
    assert (data.height, data.width) == (61, 97)
    # The frames of the second video are downscaled and centre-cropped, and so are its points.
    scale = 61 / 80
    expected = (np.array([48, 30]) + 0.5) * scale - 0.5 + [(97 - 120 * scale) / 2, 0]
    eye_centre = data.load_annotation(1, 0, "landmarks").points["face"][[36, 45]].mean(axis=0)
    assert eye_centre == pytest.approx(expected, abs=1)


def test_prepare_keeps_foreign_sequence_in_one_clip() -> None:
    for name in ("hd/train_img", "hd/train_label"):
        Path(name).mkdir(parents=True)
    y, x = np.mgrid[:60, :90].astype(np.uint8)
    scenes = [np.stack([2 * x, y, 0 * y], axis=-1), np.stack([255 - 4 * y, 250 - x, 200 + y // 2], axis=-1)]
    for index in range(6):
        save_png(Path(f"hd/train_img/{index}.png"), np.roll(scenes[index // 3], index, axis=1))
        save_png(Path(f"hd/train_label/{index}.png"), x // 64)
    options = {"labels": {"classes": "2"}}
    result = prepare(PrepareRequest((Path("hd"),), (), options=options), ignore_events)
    assert Dataset(result.path).frame_ranges() == [FrameRange(0, 0, 6)]
    rows = dict(plan_prepare(PrepareRequest((Path("hd"),), (), options=options)).rows)
    assert rows["shots"] == "no cut detection"
    images_request = PrepareRequest((Path("hd/train_img"),), ("edges",))
    assert len(Dataset(prepare(images_request, ignore_events).path).frame_ranges()) == 2


def test_prepare_named_conditioner_overrides_inferred() -> None:
    write_images("set/images", 6)
    write_face_points("set/landmarks-dlib68", range(6), ".json")
    events: list[Event] = []
    result = prepare(PrepareRequest((Path("set"),), ("edges",)), events.append)
    assert Dataset(result.path).manifest.conditioner_names == ("edges",)
    assert any("set/images" in event.message for event in events if isinstance(event, InfoEvent))
    rows = dict(plan_prepare(PrepareRequest((Path("set"),), ())).rows)
    assert rows["conditioner"].startswith("landmarks")
    assert rows["dataset"] == "datasets/set-2"
    with pytest.raises(ConfigError, match="pose"):
        prepare(PrepareRequest((Path("set"),), (), options={"pose": {"input_dir": "x"}}), ignore_events)


def test_parse_layout_vid2vid_and_pix2pixhd_labels() -> None:
    touch_files("city/train_A/s1/1.png", "city/train_B/s1/1.jpg", "city/train_inst/s1/1.png")
    foreign_dataset = parse_existing_layout("city")
    assert foreign_dataset.conditioners == ("labels",)
    (sequence,) = foreign_dataset.sequences
    assert sequence.path == Path("city/train_B/s1")
    assert sequence.sidecar_files == {
        "labels": {"input_dir": Path("city/train_A/s1"), "instances": Path("city/train_inst/s1")}
    }
    assert sequence.split == ""  # without a test phase, the end of each shot is for validation
    touch_files("hd/train_label/1.png", "hd/train_img/1.jpg", "hd/train_inst/1.png", "hd/train_feat/1.png")
    foreign_dataset = parse_existing_layout("hd")
    (sequence,) = foreign_dataset.sequences
    assert (sequence.path, sequence.sidecar_files["labels"]["input_dir"]) == (
        Path("hd/train_img"),
        Path("hd/train_label"),
    )
    assert "train_feat" in foreign_dataset.remarks[-1]


def test_parse_layout_orders_conditioners() -> None:
    touch_files("dance/train_openpose/a/1.json", "dance/train_img/a/1.jpg", "dance/train_densepose/a/1.png")
    foreign_dataset = parse_existing_layout("dance")
    assert foreign_dataset.conditioners == ("pose", "densepose")
    assert foreign_dataset.sequences[0].sidecar_files["pose"] == {"input_dir": Path("dance/train_openpose/a")}


def test_parse_layout_imaginaire_phases_and_nested_sequences() -> None:
    touch_files(
        "c/train/images/x/1/1.jpg", "c/train/seg_maps/x/1/1.png", "c/val/images/2/1.jpg", "c/val/seg_maps/2/1.png"
    )
    assert [(str(sequence.path), sequence.split) for sequence in parse_existing_layout("c").sequences] == [
        ("c/train/images/x/1", "train"),
        ("c/val/images/2", "val"),
    ]


def test_parse_layout_sorts_sequences_naturally() -> None:
    touch_files(*(f"c/images/s{number}/1.jpg" for number in (10, 9, 1)))
    assert [sequence.path.name for sequence in parse_existing_layout("c").sequences if sequence.path] == [
        "s1",
        "s9",
        "s10",
    ]


def test_parse_layout_rejects_mismatched_sequences() -> None:
    touch_files(*(f"c/images/s{number}/{frame}.jpg" for number in range(5) for frame in range(3)))
    touch_files("c/seg_maps/s0/0.png")
    with pytest.raises(InputFileMismatchError, match=r"seg_maps.* s1, s2, s3 and 1 more.*images"):
        parse_layout(Path("c"))
    touch_files(
        *(f"c/seg_maps/s{number}/{frame}.png" for number in range(5) for frame in range(3)), "c/seg_maps/s7/1.png"
    )
    with pytest.raises(InputFileMismatchError, match=r"images.* s7.*seg_maps"):
        parse_layout(Path("c"))
    touch_files("f/test_img/s/1.jpg", "f/test_img/s/2.jpg", "f/test_keypoints/s/1.txt")
    with pytest.raises(InputFileMismatchError, match=r"test_img/s.* 2 .*/s.* 1.*2\.jpg") as caught:
        parse_layout(Path("f"))
    assert "dlib" in caught.value.hint


def test_parse_layout_pairs_files_by_name() -> None:
    """Both folders have 4 files, but label 2 and image 3 are missing."""
    touch_files(*(f"c/train_B/s/{index}.png" for index in (0, 1, 2, 4)))
    touch_files(*(f"c/train_A/s/{index}.png" for index in (0, 1, 3, 4)))
    with pytest.raises(InputFileMismatchError, match=r"no file for 2\.png; 3\.png"):
        parse_layout(Path("c"))
    touch_files("c/train_A/s/2.png")
    parse_existing_layout("c")
    touch_files("c/train_A/s/2.jpg")
    with pytest.raises(InputFileMismatchError, match=r"2\.(png|jpg) and 2\.(png|jpg)"):
        parse_layout(Path("c"))


def test_prepare_begins_clip_after_missing_numbers() -> None:
    write_images("set/images", 8)
    write_face_points("set/landmarks-dlib68", range(10), ".json")
    for index in range(7, 2, -1):
        Path(f"set/images/{index:03d}.png").rename(f"set/images/{index + 2:03d}.png")
    events: list[Event] = []
    data = Dataset(prepare(PrepareRequest((Path("set"),), (), val_fraction=0), events.append).path)
    assert data.frame_ranges() == [FrameRange(0, 0, 3), FrameRange(1, 0, 5)]
    shifts = [data.load_annotation(clip, 0, "landmarks").points["face"][0, 0] for clip in (0, 1)]
    assert shifts[1] - shifts[0] == 5
    warnings = [event.message for event in events if isinstance(event, WarningEvent)]
    assert any("003.json, 004.json" in message for message in warnings)
    assert any("002.png and 005.png" in message for message in warnings)
    request = PrepareRequest((Path("set"),), (), Path("one"), split_shots=False, val_fraction=0)
    assert Dataset(prepare(request, ignore_events).path).frame_ranges() == [FrameRange(0, 0, 8)]


def test_parse_layout_rejects_unknown_folders() -> None:
    write_images("shots", 2)
    touch_files("shots/images/1.png", "text/readme.txt", "clips/a/1.jpg", "clips/b/1.jpg", "city/train_B/s/1.jpg")
    assert parse_layout(Path("shots")) is None
    assert parse_layout(Path("text")) is None
    assert parse_layout(Path("shots/000.png")) is None
    with pytest.raises(DatasetError, match=r"clips.*\(a, b\)") as caught:
        parse_layout(Path("clips"))
    assert "vid2vid prepare" in caught.value.hint
    assert "seg_maps" in caught.value.hint
    assert "train_A" in caught.value.hint
    with pytest.raises(DatasetError) as caught:
        parse_layout(Path("city/train_B"))
    assert "folder: city." in caught.value.hint
    touch_files("empty/seg_maps/a.txt", "empty/images/1.jpg")
    with pytest.raises(DatasetError, match="seg_maps"):
        parse_layout(Path("empty"))


def test_find_input_videos_requires_frames() -> None:
    touch_files("c/train_A/s/1.png", "c/train_B/s/1.jpg", "c/test_A/t/1.png")
    inputs = find_input_videos([Path("c")])
    assert [path for path, _ in inputs.videos] == [Path("c/train_B/s")]
    assert inputs.videos[0][1].split == ""
    assert any("1 sequence of c" in remark for remark in inputs.remarks)
    touch_files("d/test_A/t/1.png")
    with pytest.raises(DatasetError, match="d contains labels") as caught:
        find_input_videos([Path("d")])
    assert "vid2vid synthesize" in caught.value.hint
    touch_files("c/test_B/t/1.jpg", "c/test_inst/t/1.png")
    with pytest.raises(InputFileMismatchError, match=r"labels\.instances"):
        find_input_videos([Path("c")])


def test_prepare_images_requires_conditioner() -> None:
    write_images("shots", 3)
    with pytest.raises(ConfigError):
        prepare(PrepareRequest((Path("shots"),), ()), ignore_events)
    result = prepare(PrepareRequest((Path("shots"),), ("edges",)), ignore_events)
    with pytest.raises(NotAVideoError, match=result.path.name):
        prepare(PrepareRequest((result.path,), ("edges",)), ignore_events)


def test_prepare_real_imaginaire_faces(shared_data: Path) -> None:
    result = prepare(PrepareRequest((shared_data / "face" / "dlib68_5frames",), ()), ignore_events)
    assert result.path == Path("datasets/dlib68_5frames")
    assert result.detection_counts == {"landmarks": (5, 5)}
    assert Dataset(result.path).load_annotation(0, 0, "landmarks").points["face"][0].tolist() == [292, 136]


def test_parse_layout_follows_links_to_each_folder_once() -> None:
    write_images("real/b", 2)
    write_images("d/train_img/a", 2)
    Path("d/train_img/a/loop").symlink_to(Path("d/train_img").resolve())
    Path("d/train_img/again").symlink_to("a")
    Path("d/train_img/b").symlink_to(Path("real/b").resolve())
    Path("real/b/back").symlink_to(Path("d").resolve())
    sequences = parse_existing_layout("d").sequences
    assert [str(sequence.path) for sequence in sequences] == ["d/train_img/a", "d/train_img/b"]
