"""The manifest and the opened dataset: what is read is what was written, and damage is said plainly."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vid2vid_cli.core.errors import DatasetError, MissingFileError
from vid2vid_cli.data.dataset import Dataset, Span, newest_dataset
from vid2vid_cli.data.manifest import Manifest, read_manifest, write_manifest
from vid2vid_cli.media.images import save_png


def manifest(name: str = "a", **changes: Any) -> Manifest:
    data: dict[str, Any] = {
        "name": name,
        "created_by": "vid2vid test",
        "source": [{"path": "/videos/zwei Köpfe.mp4", "sha256": "0" * 64, "probe": {"codec": "h264"}}],
        "height": 6,
        "width": 8,
        "fps": "30000/1001",
        "frames": 5,
        "clips": [{"name": "000", "frames": 5, "source": 0, "start": 1.5}],
        "conditioners": [
            {
                "name": "edges",
                "channels": 1,
                "statistics": {"focus": [0.0, 1.0, 2.0, 3.5]},
                "quality": {"mean": 0.5, "found": 4, "total": 5},
            }
        ],
        "splits": {"train": [[0, 0, 4]], "holdout": [[0, 4, 5]]},
    }
    return Manifest.model_validate({**data, **changes})


def dataset(folder: Path, **changes: Any) -> Path:
    frames = folder / "clips" / "000" / "frames"
    frames.mkdir(parents=True)
    for index in range(5):
        save_png(frames / f"{index:06d}.png", np.full((6, 8, 3), index, np.uint8))
    write_manifest(folder, manifest(folder.name, **changes))
    return folder


def test_a_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest())
    read = read_manifest(tmp_path)
    assert read == manifest()
    assert read.rate == Fraction(30000, 1001)
    assert "Köpfe" in (tmp_path / "dataset.json").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]


def test_a_dataset_gives_frames_and_stretches(tmp_path: Path) -> None:
    opened = Dataset(dataset(tmp_path / "a"))
    assert opened.clips() == [Span(0, 0, 5)]
    assert opened.clips("train") == [Span(0, 0, 4)]
    assert opened.clips("holdout") == [Span(0, 4, 5)]
    assert opened.clips("train")[0].frames == 4
    assert opened.frame(0, 3).shape == (6, 8, 3)
    assert (opened.frame(0, 3) == 3).all()
    assert opened.fps == Fraction(30000, 1001)
    with pytest.raises(IndexError):
        opened.frame(0, 5)


def test_clips_may_share_a_folder(tmp_path: Path) -> None:
    clips = [{"name": "000", "frames": 2, "source": 0}, {"name": "000", "first": 2, "frames": 3, "source": 0}]
    splits = {"train": [[0, 0, 2], [1, 0, 2]], "holdout": [[1, 2, 3]]}
    opened = Dataset(dataset(tmp_path / "a", clips=clips, splits=splits))
    assert opened.clips() == [Span(0, 0, 2), Span(1, 0, 3)]
    assert [int(opened.frame(*place)[0, 0, 0]) for place in ((0, 1), (1, 0), (1, 2))] == [1, 2, 4]
    assert (opened.number(1, 2), opened.frame_path(1, 2).name) == (4, "000004.png")
    for clip, index in ((0, 2), (1, 3), (1, -1)):
        with pytest.raises(IndexError):
            opened.frame(clip, index)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "damaged: the whole file"),
        (json.dumps({"schema_version": 7}), "newer vid2vid .schema version 7"),
        (json.dumps({"schema_version": 1}), "damaged: name: Field required"),
    ],
)
def test_a_broken_manifest_is_said(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_manifest(tmp_path)


def test_a_frame_rate_that_is_none_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest())
    path = tmp_path / "dataset.json"
    path.write_text(path.read_text().replace("30000/1001", "30000/0"))
    with pytest.raises(DatasetError, match="fps"):
        read_manifest(tmp_path)


def test_a_folder_that_is_no_dataset_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds no dataset\.json"):
        Dataset(tmp_path)
    with pytest.raises(MissingFileError, match="does not exist"):
        Dataset(tmp_path / "nowhere")


def test_damage_names_the_file(tmp_path: Path) -> None:
    opened = Dataset(dataset(tmp_path / "a"))
    frames = opened.folder / "clips" / "000" / "frames"
    (frames / "000001.png").unlink()
    (frames / "000002.png").write_bytes(b"\x89PNG no more")
    save_png(frames / "000003.png", np.zeros((6, 9, 3), np.uint8))
    for index, message in ((1, "000001.png is missing"), (2, "000002.png cannot be read"), (3, "is 9x6 and not 8x6")):
        with pytest.raises(DatasetError, match=message):
            opened.frame(0, index)
    with pytest.raises(DatasetError, match="has no annotations of pose; it has edges"):
        opened.annotation(0, 0, "pose")
    (opened.folder / "clips").rename(opened.folder / "gone")
    with pytest.raises(DatasetError, match="frames is missing"):
        Dataset(opened.folder)


def test_the_newest_dataset_that_fits(tmp_path: Path) -> None:
    assert newest_dataset(tmp_path / "none", lambda _: True) is None
    for age, name in ((3, "old"), (2, "new"), (1, "unfinished.partial"), (0, "broken")):
        folder = dataset(tmp_path / name)
        if name == "broken":
            (folder / "dataset.json").write_text("{")
        os.utime(folder / "dataset.json", (1e9 - age, 1e9 - age))
    assert newest_dataset(tmp_path, lambda _: True) == tmp_path / "new"
    assert newest_dataset(tmp_path, lambda found: found.name == "old") == tmp_path / "old"
    assert newest_dataset(tmp_path, lambda found: "pose" in found.conditioner_names) is None
