"""`synthesize` end to end on a small prepared dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import COUNT, CPU, FPS, blob_frame, tiny_sampler
from helpers.fake_conditioners import Marks, film, picture
from helpers.video_files import click_times, clicks, make_clip

from vid2vid_cli.core.errors import (
    ConfigError,
    DatasetError,
    DatasetMismatchError,
    DeviceError,
    ExistsError,
    ForeignCheckpointError,
    LabelFilesError,
    MissingFileError,
    TruncatedCheckpointError,
)
from vid2vid_cli.data.dataset import Span
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.events import silent
from vid2vid_cli.engine.inference import generate, to_picture
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare, prepare_with
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.rendering.frame_renderer import Rendered, output_file


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(checkpoint: Path, source: Path, **changes: Any) -> Rendered:
    settings = {"device": "cpu", "precision": "fp32", "compare": False, **changes}
    return synthesize(SynthesizeRequest(checkpoint, source, **settings), silent)


def test_every_frame_with_its_rate_and_its_sound(run_folder: Path, dataset: Path) -> None:
    done = run(run_folder / "blob.ckpt", dataset, compare=True)
    assert (done.path, done.compare) == (Path("blob_synthesized.mp4"), Path("blob_synthesized_compare.mp4"))
    assert (done.frames, done.fps) == (COUNT, FPS)
    for path in (done.path, done.compare):
        assert path is not None
        assert (probe(path).fps, len(list(VideoReader(path)))) == (FPS, COUNT)
        assert click_times(path) == pytest.approx([0.2], abs=0.02)
    assert (probe(done.path).height, probe(done.path).width) == (24, 24)
    assert sorted(os.listdir()) == ["blob_synthesized.mp4", "blob_synthesized_compare.mp4"]  # noqa: PTH208


def test_the_pictures_are_those_of_the_rollout(run_folder: Path, dataset: Path) -> None:
    done = run(run_folder, dataset, split="holdout", out=Path("o.mp4"))
    assert (done.path, done.frames) == (Path("o.mp4"), 5)
    generator, _ = load_checkpoint(run_folder / "blob.ckpt", CPU)
    clip = tiny_sampler(dataset).span(Span(0, 19, 24))
    for found, output in zip(VideoReader(done.path), generate(generator, clip.conditions, CPU), strict=True):
        assert np.abs(found.astype(int) - to_picture(output.image[0])).mean() < 12
    # The held-out part begins after the tone.
    assert click_times(done.path) == []


def test_a_split_keeps_its_own_part_of_the_sound(run_folder: Path) -> None:
    """2.4 seconds of which the first fifth is cut off by `start`; what is held out begins at 2.0, the tone at 2.2."""
    sound = clicks(2.4, [0.1, 2.2])
    source = make_clip(Path("long.mp4"), [blob_frame(index % COUNT) for index in range(60)], 25, sound=sound)
    data = prepare(PrepareRequest((source,), ("edges",), start=0.4, cuts=False), silent).path
    done = run(run_folder, data, split="holdout")
    assert done.frames == 10
    assert click_times(done.path) == pytest.approx([0.2], abs=0.03)


def test_a_stretch_of_a_dataset(run_folder: Path, dataset: Path) -> None:
    """From the third frame of what is held out, three of them; and a tone that is heard in one stretch alone."""
    rate = float(FPS)
    done = run(run_folder, dataset, split="holdout", start=2 / rate, max_frames=3)
    whole = run(run_folder, dataset, split="holdout", start=2 / rate, end=5 / rate)
    assert (done.frames, whole.frames) == (3, 3)
    rows = dict(plan_synthesize(SynthesizeRequest(run_folder, dataset, start=2 / rate, end=8 / rate)).rows)
    assert rows["dataset"].endswith("6 frames (all)")
    early = run(run_folder, dataset, start=2 / rate, max_frames=8)
    assert click_times(early.path) == pytest.approx([0.2 - 2 / rate], abs=0.02)


def test_names_that_are_taken(run_folder: Path, dataset: Path) -> None:
    paths = [run(run_folder, dataset, split="holdout").path for _ in range(3)]
    assert [str(path) for path in paths] == [f"blob_synthesized{n}.mp4" for n in ("", "-2", "-3")]
    assert run(run_folder, dataset, split="holdout", overwrite=True).path == paths[0]
    Path("folder").mkdir()
    with pytest.raises(ExistsError, match="folder is a folder"):
        run(run_folder, dataset, out=Path("folder"))
    assert output_file(None, Path("new.mp4"), overwrite=False, compare=True) == Path("new.mp4")


def test_a_comparison_is_not_overwritten_either() -> None:
    default = Path("x.mp4")
    Path("x_compare.mp4").touch()
    Path("x-2.mp4").touch()
    assert output_file(None, default, overwrite=False, compare=True) == Path("x-3.mp4")
    assert output_file(None, default, overwrite=False, compare=False) == default
    assert output_file(None, default, overwrite=True, compare=True) == default


def test_the_plan_writes_nothing(run_folder: Path, dataset: Path) -> None:
    rows = dict(plan_synthesize(SynthesizeRequest(run_folder, dataset, split="train")).rows)
    assert rows["checkpoint"] == "blob, 24x24"
    assert "19 frames (train)" in rows["dataset"]
    assert rows["video"] == "blob_synthesized.mp4"
    assert os.listdir() == []  # noqa: PTH208


def test_bad_input(run_folder: Path, dataset: Path, film: Path) -> None:
    checkpoint = run_folder / "blob.ckpt"
    with pytest.raises(MissingFileError, match=r"none\.ckpt does not exist"):
        run(Path("none.ckpt"), dataset)
    with pytest.raises(MissingFileError, match="none does not exist"):
        run(checkpoint, Path("none"))
    with pytest.raises(LabelFilesError, match=r"blob\.mp4, picture 0 is no drawing of edges") as caught:
        run(checkpoint, film)
    assert caught.value.hint.endswith("For an ordinary video: vid2vid transfer")
    with pytest.raises(ConfigError, match="is a dataset: how its labels are read was decided"):
        run(checkpoint, dataset, options={"edges": {"sigma": "2"}})
    with pytest.raises(ForeignCheckpointError, match=r"blob\.mp4 is not a vid2vid checkpoint"):
        run(film, dataset)
    Path("cut.ckpt").write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(TruncatedCheckpointError, match=r"cut\.ckpt"):
        run(Path("cut.ckpt"), dataset)
    with pytest.raises(DeviceError):
        run(checkpoint, dataset, device="cuda:77")
    assert os.listdir() == ["cut.ckpt"]  # noqa: PTH208


def test_a_dataset_of_another_conditioner(run_folder: Path) -> None:
    path = film_of_marks()
    prepare_with(PrepareRequest((path,), (), Path("marks")), [Marks()], silent)
    with pytest.raises(DatasetMismatchError, match=r"marks was prepared with marks, and .* needs edges") as caught:
        run(run_folder, Path("marks"))
    assert caught.value.hint == "vid2vid prepare --conditioner edges VIDEO"


def film_of_marks() -> Path:
    return film(Path("m.mov"), [picture(index) for index in range(6)])


def test_before_anything_is_found_the_first_thing_stands(run_folder: Path) -> None:
    """Two blank frames have no edges: they are drawn from those of the third, as if it had stood there."""
    blank = np.full((40, 56, 3), 90, np.uint8)
    shown = {"late": [blank, blank, *[blob_frame(4)] * 4], "still": [blob_frame(4)] * 6}
    made = {}
    for name, frames in shown.items():
        path = make_clip(Path(f"{name}.mov"), frames, 25, codec="png", pixels="rgb24")
        data = prepare(PrepareRequest((path,), ("edges",), holdout=0, cuts=False), silent).path
        made[name] = list(VideoReader(run(run_folder, data).path))
    for late, still in zip(made["late"], made["still"], strict=True):
        assert np.abs(late.astype(int) - still).mean() < 3


def test_an_empty_split(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    from vid2vid_cli.data.manifest import read_manifest, write_manifest

    link = tmp_path / "whole"
    link.mkdir()
    (link / "clips").symlink_to(dataset / "clips")
    manifest = read_manifest(dataset)
    splits = manifest.splits.model_copy(update={"train": ((0, 0, COUNT),), "holdout": ()})
    write_manifest(link, manifest.model_copy(update={"splits": splits}))
    with pytest.raises(DatasetError, match="has no holdout frames"):
        run(run_folder, link, split="holdout")
    assert run(run_folder, link, split="train", out=Path("t.mp4")).frames == COUNT
