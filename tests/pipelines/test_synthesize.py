"""`synthesize` end to end on a small prepared dataset."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import CPU, FPS, NUM_FRAMES, blob_frame, tiny_sampler
from helpers.fake_conditioners import Marks, mark_frame, write_png_video
from helpers.report_page import ReportPage
from helpers.video_files import click_track, find_clicks, write_video

from vid2vid_cli.core.errors import (
    ConfigError,
    DatasetError,
    DatasetMismatchError,
    DeviceError,
    ForeignCheckpointError,
    LabelFileError,
    MissingFileError,
    OutputExistsError,
    TruncatedCheckpointError,
)
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.events import ArtifactEvent, Event, ignore_events
from vid2vid_cli.engine.inference import generate_clip, to_uint8_image
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare, prepare_with_conditioners
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.rendering.output_path import choose_output_path
from vid2vid_cli.rendering.video_output import RenderResult


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_synthesize(checkpoint: Path, source: Path, **changes: Any) -> RenderResult:
    settings = {"device": "cpu", "precision": "fp32", "compare": False, **changes}
    return synthesize(SynthesizeRequest(checkpoint, source, **settings), ignore_events)


def test_synthesize_keeps_frames_fps_and_audio(run_folder: Path, dataset: Path) -> None:
    result = run_synthesize(run_folder / "blob.ckpt", dataset, compare=True)
    assert (result.path, result.compare_path) == (Path("blob_synthesized.mp4"), Path("blob_synthesized_compare.mp4"))
    assert (result.num_frames, result.fps) == (NUM_FRAMES, FPS)
    for path in (result.path, result.compare_path):
        assert path is not None
        assert (probe(path).fps, len(list(VideoReader(path)))) == (FPS, NUM_FRAMES)
        assert find_clicks(path) == pytest.approx([0.2], abs=0.02)
    assert (probe(result.path).height, probe(result.path).width) == (24, 24)
    assert sorted(os.listdir()) == ["blob_synthesized.mp4", "blob_synthesized_compare.mp4", "blob_synthesized_report"]  # noqa: PTH208


def test_synthesize_writes_a_report(run_folder: Path, dataset: Path) -> None:
    events: list[Event] = []
    request = SynthesizeRequest(run_folder, dataset, device="cpu", precision="fp32", command="vid2vid synthesize <x>")
    result = synthesize(request, events.append)
    assert result.report_path == Path("blob_synthesized_report/report.html")
    assert ArtifactEvent(str(result.report_path), "report") in events
    page = ReportPage(result.report_path)
    assert page.files == {"comparison.mp4"}
    assert result.compare_path is not None
    comparison = result.report_path.with_name("comparison.mp4")
    assert comparison.read_bytes() == result.compare_path.read_bytes()
    video = page.data["video"]
    assert [name for name, *_ in video["panels"]] == ["source", "condition", "result"]
    _, x, y, width, height = video["panels"][-1]
    assert (x + width, y + height) == (probe(comparison).width, probe(comparison).height)
    assert video["frames"] == NUM_FRAMES
    assert [len(strip["values"]) for strip in video["strips"]] == [NUM_FRAMES] * 2
    assert video["strips"][1]["values"][0] == 100
    assert page.texts["pre"] == ["vid2vid synthesize <x>"]
    assert page.texts["td"].count("command line") == 4  # checkpoint, source, device, precision
    assert run_synthesize(run_folder, dataset).report_path is None


def test_synthesize_saves_layers(run_folder: Path, dataset: Path) -> None:
    result = run_synthesize(run_folder, dataset, save=("raw", "flow", "mask"))
    assert dict(result.layer_paths) == {
        layer: Path(f"blob_synthesized_{layer}.mp4") for layer in ("raw", "flow", "mask")
    }
    frames = {layer: list(VideoReader(path)) for layer, path in result.layer_paths.items()}
    assert {len(layer_frames) for layer_frames in frames.values()} == {NUM_FRAMES}
    assert frames["mask"][0].min() > 250  # the first frame is synthesised and has no flow
    assert frames["flow"][0].min() > 250
    assert frames["mask"][1].min() < 250
    video_frames = list(VideoReader(result.path))
    assert np.abs(frames["raw"][0].astype(int) - video_frames[0]).mean() < 6
    assert run_synthesize(run_folder, dataset, save=("mask",)).path == Path("blob_synthesized-2.mp4")
    with pytest.raises(ConfigError, match="num_references=0"):
        run_synthesize(run_folder, dataset, save=("references",))


def test_synthesize_matches_rollout(run_folder: Path, dataset: Path) -> None:
    result = run_synthesize(run_folder, dataset, split="val", out=Path("o.mp4"))
    assert (result.path, result.num_frames) == (Path("o.mp4"), 5)
    generator, _ = load_checkpoint(run_folder / "blob.ckpt", CPU)
    clip = tiny_sampler(dataset).load_range(FrameRange(0, 19, 24))
    for frame, output in zip(VideoReader(result.path), generate_clip(generator, clip.conditions, CPU), strict=True):
        assert np.abs(frame.astype(int) - to_uint8_image(output.image[0])).mean() < 12
    # The validation split starts after the tone.
    assert find_clicks(result.path) == []


def test_synthesize_split_keeps_its_audio(run_folder: Path) -> None:
    """2.4 seconds from which `start` skips 0.4; the validation split starts at 2.0 s, the tone at 2.2 s."""
    audio = click_track(2.4, [0.1, 2.2])
    source = write_video(Path("long.mp4"), [blob_frame(index % NUM_FRAMES) for index in range(60)], 25, audio=audio)
    data = prepare(PrepareRequest((source,), ("edges",), start=0.4, split_shots=False), ignore_events).path
    result = run_synthesize(run_folder, data, split="val")
    assert result.num_frames == 10
    assert find_clicks(result.path) == pytest.approx([0.2], abs=0.03)


def test_synthesize_time_range_of_dataset(run_folder: Path, dataset: Path) -> None:
    """Three frames from the third validation frame on; and a range that contains the tone."""
    rate = float(FPS)
    result = run_synthesize(run_folder, dataset, split="val", start=2 / rate, max_frames=3)
    end_result = run_synthesize(run_folder, dataset, split="val", start=2 / rate, end=5 / rate)
    assert (result.num_frames, end_result.num_frames) == (3, 3)
    rows = dict(plan_synthesize(SynthesizeRequest(run_folder, dataset, start=2 / rate, end=8 / rate)).rows)
    assert rows["dataset"].endswith("6 frames (all)")
    early_result = run_synthesize(run_folder, dataset, start=2 / rate, max_frames=8)
    assert find_clicks(early_result.path) == pytest.approx([0.2 - 2 / rate], abs=0.02)


def test_synthesize_avoids_taken_names(run_folder: Path, dataset: Path) -> None:
    paths = [run_synthesize(run_folder, dataset, split="val").path for _ in range(3)]
    assert [str(path) for path in paths] == [f"blob_synthesized{n}.mp4" for n in ("", "-2", "-3")]
    assert run_synthesize(run_folder, dataset, split="val", overwrite=True).path == paths[0]
    Path("folder").mkdir()
    with pytest.raises(OutputExistsError, match="folder"):
        run_synthesize(run_folder, dataset, out=Path("folder"))
    assert choose_output_path(None, Path("new.mp4"), overwrite=False, compare=True) == Path("new.mp4")


@pytest.mark.parametrize(("requested", "default"), [("out.avi", "a.mp4"), ("out", "a.mp4"), ("sheet.jpg", "a.png")])
def test_choose_output_path_rejects_other_suffixes(requested: str, default: str) -> None:
    with pytest.raises(ConfigError):
        choose_output_path(Path(requested), Path(default), overwrite=False, compare=False)
    assert choose_output_path(Path("o.MKV"), Path("a.mp4"), overwrite=False, compare=False) == Path("o.MKV")


def test_choose_output_path_keeps_comparison() -> None:
    default_path = Path("x.mp4")
    Path("x_compare.mp4").touch()
    Path("x-2.mp4").touch()
    assert choose_output_path(None, default_path, overwrite=False, compare=True) == Path("x-3.mp4")
    assert choose_output_path(None, default_path, overwrite=False, compare=False) == default_path
    assert choose_output_path(None, default_path, overwrite=True, compare=True) == default_path


def test_plan_synthesize_writes_nothing(run_folder: Path, dataset: Path) -> None:
    rows = dict(plan_synthesize(SynthesizeRequest(run_folder, dataset, split="train")).rows)
    assert rows["checkpoint"] == "blob, 24x24"
    assert "19 frames (train)" in rows["dataset"]
    assert rows["video"] == "blob_synthesized.mp4"
    assert os.listdir() == []  # noqa: PTH208


def test_synthesize_rejects_bad_input(run_folder: Path, dataset: Path, blob_video: Path) -> None:
    checkpoint = run_folder / "blob.ckpt"
    with pytest.raises(MissingFileError, match=r"none\.ckpt"):
        run_synthesize(Path("none.ckpt"), dataset)
    with pytest.raises(MissingFileError, match="none"):
        run_synthesize(checkpoint, Path("none"))
    with pytest.raises(LabelFileError, match=r"blob\.mp4") as caught:
        run_synthesize(checkpoint, blob_video)
    assert "vid2vid transfer" in caught.value.hint
    with pytest.raises(ConfigError, match="dataset"):
        run_synthesize(checkpoint, dataset, options={"edges": {"sigma": "2"}})
    with pytest.raises(ForeignCheckpointError, match=r"blob\.mp4"):
        run_synthesize(blob_video, dataset)
    Path("cut.ckpt").write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(TruncatedCheckpointError, match=r"cut\.ckpt"):
        run_synthesize(Path("cut.ckpt"), dataset)
    with pytest.raises(DeviceError):
        run_synthesize(checkpoint, dataset, device="cuda:77")
    assert os.listdir() == ["cut.ckpt"]  # noqa: PTH208


def test_synthesize_rejects_dataset_of_other_conditioner(run_folder: Path) -> None:
    path = write_marks_video()
    prepare_with_conditioners(PrepareRequest((path,), (), Path("marks")), [Marks()], ignore_events)
    with pytest.raises(DatasetMismatchError, match=r"marks.*edges") as caught:
        run_synthesize(run_folder, Path("marks"))
    assert caught.value.hint == "vid2vid prepare --conditioner edges VIDEO"


def write_marks_video() -> Path:
    return write_png_video(Path("m.mov"), [mark_frame(index) for index in range(6)])


def test_synthesize_uses_first_detection_for_leading_blanks(run_folder: Path) -> None:
    """Two blank frames at the start have no edges: those of the third frame are rendered."""
    blank_frame = np.full((40, 56, 3), 90, np.uint8)
    frames_by_name = {"late": [blank_frame, blank_frame, *[blob_frame(4)] * 4], "still": [blob_frame(4)] * 6}
    videos_by_name = {}
    for name, frames in frames_by_name.items():
        path = write_video(Path(f"{name}.mov"), frames, 25, codec="png", pixel_format="rgb24")
        data = prepare(PrepareRequest((path,), ("edges",), val_fraction=0, split_shots=False), ignore_events).path
        videos_by_name[name] = list(VideoReader(run_synthesize(run_folder, data).path))
    for late_frame, still_frame in zip(videos_by_name["late"], videos_by_name["still"], strict=True):
        assert np.abs(late_frame.astype(int) - still_frame).mean() < 3


def test_synthesize_rejects_empty_split(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    from vid2vid_cli.data.manifest import read_manifest, write_manifest

    copied_dataset = tmp_path / "whole"
    shutil.copytree(dataset, copied_dataset)
    manifest = read_manifest(dataset)
    splits = manifest.splits.model_copy(update={"train": ((0, 0, NUM_FRAMES),), "val": ()})
    write_manifest(copied_dataset, manifest.model_copy(update={"splits": splits}))
    with pytest.raises(DatasetError, match="val"):
        run_synthesize(run_folder, copied_dataset, split="val")
    assert run_synthesize(run_folder, copied_dataset, split="train", out=Path("t.mp4")).num_frames == NUM_FRAMES
