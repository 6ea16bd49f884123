"""pix2pix's images, with A and B side by side, become a dataset with the conditioner labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vid2vid_cli.core.errors import ConfigError, DatasetError, NotAVideoError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.images import save_png
from vid2vid_cli.pipelines.prepare import PrepareRequest, plan_prepare, prepare

A, B = (200, 30, 30), (30, 30, 200)


def write_pairs(folder: Path, count: int, width: int = 80) -> None:
    folder.mkdir(parents=True)
    for index in range(count):
        image = np.full((40, width, 3), B, np.uint8)
        image[:, : width // 2] = A
        save_png(folder / f"{index}.png", image)


@pytest.fixture(autouse=True)
def facades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_pairs(Path("facades/train"), 4)
    write_pairs(Path("facades/test"), 2)
    return Path("facades")


@pytest.mark.parametrize(("direction", "condition", "frame"), [("a2b", A, B), ("b2a", B, A)])
def test_prepare_divides_images(
    facades: Path, direction: str, condition: tuple[int, ...], frame: tuple[int, ...]
) -> None:
    result = prepare(PrepareRequest((facades,), side_by_side=direction), ignore_events)
    dataset = Dataset(result.path)
    assert result.path == Path("datasets/facades")
    assert (dataset.width, dataset.height, dataset.manifest.conditioner_names) == (40, 40, ("labels",))
    assert tuple(sum(span.num_frames for span in dataset.frame_ranges(split)) for split in ("train", "val")) == (4, 2)
    assert np.abs(dataset.load_frame(0, 1).mean((0, 1)) - frame).max() < 2
    assert np.abs(dataset.load_annotation(0, 1, "labels").images["rgb"].mean((0, 1)) - condition).max() < 2


def test_prepare_divides_a_folder_without_phases(facades: Path) -> None:
    result = prepare(PrepareRequest((facades / "train",), side_by_side="a2b"), ignore_events)
    assert result.num_frames == 4


def test_plan_prepare_writes_nothing(facades: Path) -> None:
    rows = dict(plan_prepare(PrepareRequest((facades,), side_by_side="a2b")).rows)
    assert rows["dataset"] == "datasets/facades"
    assert not Path("datasets").exists()


def test_prepare_refuses_other_folders_and_odd_widths(facades: Path) -> None:
    write_pairs(Path("odd"), 2, width=81)
    Path("empty").mkdir()
    with pytest.raises(NotAVideoError, match="81 pixels"):
        prepare(PrepareRequest((Path("odd"),), side_by_side="a2b"), ignore_events)
    with pytest.raises(DatasetError, match="no images"):
        prepare(PrepareRequest((Path("empty"),), side_by_side="a2b"), ignore_events)
    with pytest.raises(ConfigError, match="2 inputs"):
        prepare(PrepareRequest((facades, Path("odd")), side_by_side="a2b"), ignore_events)
