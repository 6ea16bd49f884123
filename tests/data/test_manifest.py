"""The manifest and `Dataset`: round trips, schema versions and errors of damaged files."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vid2vid_cli.core.errors import DatasetError, MissingFileError
from vid2vid_cli.data.dataset import Dataset, FrameRange, find_newest_dataset
from vid2vid_cli.data.manifest import Manifest, read_manifest, write_manifest
from vid2vid_cli.media.images import save_png


def make_manifest(name: str = "a", **changes: Any) -> Manifest:
    data: dict[str, Any] = {
        "name": name,
        "created_by": "vid2vid test",
        "sources": [{"path": "/videos/zwei Köpfe.mp4", "sha256": "0" * 64, "probe": {"codec": "h264"}}],
        "height": 6,
        "width": 8,
        "fps": "30000/1001",
        "num_frames": 5,
        "clips": [{"name": "000", "num_frames": 5, "source_index": 0, "start_seconds": 1.5}],
        "conditioners": [
            {
                "name": "edges",
                "num_channels": 1,
                "statistics": {"subject_box": [0.0, 1.0, 2.0, 3.5]},
                "quality": {"mean": 0.5, "num_detected": 4, "num_frames": 5},
            }
        ],
        "splits": {"train": [[0, 0, 4]], "val": [[0, 4, 5]]},
    }
    return Manifest.model_validate({**data, **changes})


def write_dataset(folder: Path, **changes: Any) -> Path:
    frames = folder / "clips" / "000" / "frames"
    frames.mkdir(parents=True)
    for index in range(5):
        save_png(frames / f"{index:06d}.png", np.full((6, 8, 3), index, np.uint8))
    write_manifest(folder, make_manifest(folder.name, **changes))
    return folder


def test_read_manifest_returns_what_was_written(tmp_path: Path) -> None:
    write_manifest(tmp_path, make_manifest())
    loaded = read_manifest(tmp_path)
    assert loaded == make_manifest()
    assert loaded.frame_rate == Fraction(30000, 1001)
    assert "Köpfe" in (tmp_path / "dataset.json").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]


def test_dataset_frames_and_frame_ranges(tmp_path: Path) -> None:
    opened = Dataset(write_dataset(tmp_path / "a"))
    assert opened.frame_ranges() == [FrameRange(0, 0, 5)]
    assert opened.frame_ranges("train") == [FrameRange(0, 0, 4)]
    assert opened.frame_ranges("val") == [FrameRange(0, 4, 5)]
    assert opened.frame_ranges("train")[0].num_frames == 4
    assert opened.load_frame(0, 3).shape == (6, 8, 3)
    assert (opened.load_frame(0, 3) == 3).all()
    assert opened.fps == Fraction(30000, 1001)
    with pytest.raises(IndexError):
        opened.load_frame(0, 5)


def test_dataset_clips_share_a_folder(tmp_path: Path) -> None:
    clips = [
        {"name": "000", "num_frames": 2, "source_index": 0},
        {"name": "000", "start_index": 2, "num_frames": 3, "source_index": 0},
    ]
    splits = {"train": [[0, 0, 2], [1, 0, 2]], "val": [[1, 2, 3]]}
    opened = Dataset(write_dataset(tmp_path / "a", clips=clips, splits=splits))
    assert opened.frame_ranges() == [FrameRange(0, 0, 2), FrameRange(1, 0, 3)]
    assert [int(opened.load_frame(clip, index)[0, 0, 0]) for clip, index in ((0, 1), (1, 0), (1, 2))] == [1, 2, 4]
    assert (opened.stored_index(1, 2), opened.frame_path(1, 2).name) == (4, "000004.png")
    for clip, index in ((0, 2), (1, 3), (1, -1)):
        with pytest.raises(IndexError):
            opened.load_frame(clip, index)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "JSON"),
        ("[]", "the file"),
        (json.dumps({"schema_version": 7}), "schema version 7"),
        (json.dumps({"schema_version": 2}), "name"),
    ],
)
def test_read_manifest_rejects_damaged_file(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_manifest(tmp_path)


def test_read_manifest_rejects_older_schema_with_command(tmp_path: Path) -> None:
    data = {
        "schema_version": 1,
        "source": [{"path": "/videos/a b.mp4"}],
        "conditioners": [{"name": "pose"}, {"name": "edges"}],
    }
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "dataset.json").write_text(json.dumps(data))
    with pytest.raises(DatasetError, match="schema version 1") as caught:
        read_manifest(folder)
    command = f"vid2vid prepare --conditioner pose --conditioner edges --out {folder} --overwrite '/videos/a b.mp4'"
    assert command in caught.value.hint


def test_read_manifest_rejects_invalid_frame_rate(tmp_path: Path) -> None:
    write_manifest(tmp_path, make_manifest())
    path = tmp_path / "dataset.json"
    path.write_text(path.read_text().replace("30000/1001", "30000/0"))
    with pytest.raises(DatasetError, match="fps"):
        read_manifest(tmp_path)


CLIP = {"name": "000", "num_frames": 5, "source_index": 0}
CONDITIONER = {"name": "edges", "num_channels": 1, "quality": {"mean": 0.5, "num_detected": 4, "num_frames": 5}}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        *(
            ({"clips": [{**CLIP, "name": name}]}, "clips")
            for name in ("../000", "/etc", "..", "", "a/b", "a\\b", "\x00")
        ),
        ({"clips": [{**CLIP, "source_index": 1}]}, "clips"),
        ({"clips": [{**CLIP, "num_frames": 4}]}, "num_frames"),
        ({"clips": [{**CLIP, "start_index": 10**12}]}, "clips"),
        ({"clips": []}, "clips"),
        ({"sources": []}, "sources"),
        ({"conditioners": []}, "conditioners"),
        ({"conditioners": [CONDITIONER, CONDITIONER]}, "conditioners"),
        ({"conditioners": [{**CONDITIONER, "name": "../edges"}]}, "conditioners"),
        ({"conditioners": [{**CONDITIONER, "image_names": ["../frames"]}]}, "image_names"),
        ({"conditioners": [{**CONDITIONER, "num_channels": 10**9}]}, "num_channels"),
        ({"conditioners": [{**CONDITIONER, "statistics": {"subject_box": [1, 2]}}]}, "statistics"),
        ({"conditioners": [{**CONDITIONER, "statistics": {"x": float("nan")}}]}, "statistics"),
        ({"conditioners": [{**CONDITIONER, "quality": {"mean": 0.5, "num_detected": 9, "num_frames": 5}}]}, "quality"),
        ({"conditioners": [{**CONDITIONER, "quality": {**CONDITIONER["quality"], "mean": float("inf")}}]}, "quality"),
        ({"conditioners": [{**CONDITIONER, "classes": [{"id": -1, "name": "a", "colour": [0, 0, 0]}]}]}, "classes"),
        ({"conditioners": [{**CONDITIONER, "classes": [{"id": 1, "name": "a", "colour": [0, 0, 999]}]}]}, "classes"),
        ({"splits": {"train": [[1, 0, 4]]}}, "splits"),
        ({"splits": {"train": [[-1, 0, 4]]}}, "splits"),
        ({"splits": {"train": [[0, 0, 6]]}}, "splits"),
        ({"splits": {"train": [[0, 3, 3]]}}, "splits"),
        ({"splits": {"train": [[0, 0, 4]], "val": [[0, -1, 5]]}}, "splits"),
        ({"height": 10**6}, "height"),
        ({"fps": "1e9999999"}, "fps"),
    ],
)
def test_read_manifest_rejects_invalid_values(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    data = {**make_manifest().model_dump(mode="json"), **changes}
    (tmp_path / "dataset.json").write_text(json.dumps(data))
    with pytest.raises(DatasetError, match=rf"is damaged: .*{key}"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"quality": np.ones(5)},
        {"quality": np.ones((5, 1), np.float32)},
        {"quality": np.ones(4, np.float32)},
        {"quality": np.full(5, np.nan, np.float32)},
        {"quality": np.ones(5, np.float32), "body": np.ones((5, 3), np.float32)},
        {"quality": np.ones(5, np.float32), "body": np.ones((5, 3, 2), np.int64)},
        {"quality": np.ones(5, np.float32), "body": np.float32(1)},
        {"body": np.ones((5, 3, 2), np.float32)},
    ],
)
def test_dataset_rejects_other_arrays(tmp_path: Path, arrays: dict[str, Any]) -> None:
    opened = Dataset(write_dataset(tmp_path / "a"))
    folder = opened.folder / "clips" / "000" / "edges"
    folder.mkdir()
    np.savez(folder / "points.npz", **arrays)
    with pytest.raises(DatasetError, match=r"points\.npz"):
        opened.load_annotation(0, 0, "edges")


def test_dataset_rejects_images_of_another_size_and_files_that_are_no_archives(tmp_path: Path) -> None:
    opened = Dataset(
        write_dataset(tmp_path / "a", conditioners=[{**CONDITIONER, "image_names": ["map"]}]),
    )
    folder = opened.folder / "clips" / "000" / "edges"
    (folder / "map").mkdir(parents=True)
    save_png(folder / "map" / "000000.png", np.zeros((6, 9), np.uint8))
    np.savez(folder / "points.npz", quality=np.ones(5, np.float32))
    with pytest.raises(DatasetError, match="9x6"):
        opened.load_annotation(0, 0, "edges")
    np.save(folder / "points.npy", np.ones(5, np.float32))
    (folder / "points.npy").rename(folder / "points.npz")
    with pytest.raises(DatasetError, match=r"points\.npz"):
        Dataset(opened.folder).load_annotation(0, 0, "edges")


def test_dataset_rejects_other_folders(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        Dataset(tmp_path)
    with pytest.raises(MissingFileError, match="nowhere"):
        Dataset(tmp_path / "nowhere")


def test_dataset_names_damaged_files(tmp_path: Path) -> None:
    opened = Dataset(write_dataset(tmp_path / "a"))
    frames = opened.folder / "clips" / "000" / "frames"
    (frames / "000001.png").unlink()
    (frames / "000002.png").write_bytes(b"\x89PNG no more")
    save_png(frames / "000003.png", np.zeros((6, 9, 3), np.uint8))
    for index, message in ((1, "000001.png"), (2, "000002.png"), (3, "9x6")):
        with pytest.raises(DatasetError, match=message):
            opened.load_frame(0, index)
    with pytest.raises(DatasetError, match=r"pose.*edges"):
        opened.load_annotation(0, 0, "pose")
    (opened.folder / "clips").rename(opened.folder / "gone")
    with pytest.raises(DatasetError, match="frames"):
        Dataset(opened.folder)


def test_find_newest_dataset_returns_newest_match(tmp_path: Path) -> None:
    assert find_newest_dataset(tmp_path / "none", lambda _: True) is None
    for age, name in ((3, "old"), (2, "new"), (1, "unfinished.partial"), (0, "broken")):
        folder = write_dataset(tmp_path / name)
        if name == "broken":
            (folder / "dataset.json").write_text("{")
        os.utime(folder / "dataset.json", (1e9 - age, 1e9 - age))
    assert find_newest_dataset(tmp_path, lambda _: True) == tmp_path / "new"
    assert find_newest_dataset(tmp_path, lambda manifest: manifest.name == "old") == tmp_path / "old"
    assert find_newest_dataset(tmp_path, lambda manifest: "pose" in manifest.conditioner_names) is None
