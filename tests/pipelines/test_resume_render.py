"""Interrupted `transfer` and `synthesize` are continued: the result equals that of an uninterrupted command."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.factories import NUM_FRAMES, blob_frame
from helpers.video_files import write_video

from vid2vid_cli.core.errors import OutputExistsError, RunError
from vid2vid_cli.engine.events import Event, InfoEvent, ProgressEvent, ignore_events
from vid2vid_cli.engine.run_folder import resolve_checkpoint
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.probe import probe
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.pipelines.transfer_plan import plan_transfer
from vid2vid_cli.rendering import loaded_model, unfinished_video
from vid2vid_cli.rendering.render_identity import identify_render
from vid2vid_cli.rendering.unfinished_video import UnfinishedVideo, unfinished_folder
from vid2vid_cli.rendering.video_output import VideoOutput
from vid2vid_cli.requests.background import BackgroundOptions
from vid2vid_cli.requests.render import StyleOptions

SEGMENT_FRAMES = 5


@pytest.fixture(autouse=True)
def _short_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(unfinished_video, "SEGMENT_FRAMES", SEGMENT_FRAMES)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two shots of 12 frames."""
    frames = [blob_frame(index) for index in range(12)] + [255 - blob_frame(index) for index in range(12)]
    return write_video(tmp_path / "s.mov", frames, 25, codec="png", pixel_format="rgb24")


def interrupt_at(frame: int) -> Callable[[Event], None]:
    """An event handler that interrupts the command after a frame."""

    def emit(event: Event) -> None:
        if isinstance(event, ProgressEvent) and event.stage in ("transfer", "synthesize") and event.done == frame:
            raise KeyboardInterrupt

    return emit


def transfer_request(source: Path, target: Path, out: str = "out.mkv", **changes: Any) -> TransferRequest:
    return TransferRequest(source, target, Path(out), **{"device": "cpu", "precision": "fp32", **changes})


@pytest.mark.parametrize("frame", [5, 8, 12, 19, 24])
def test_transfer_continues_an_interrupted_video(source: Path, run_folder: Path, frame: int) -> None:
    """Frames 5, 12 and 24 end a segment, a shot and the video."""
    expected = transfer(transfer_request(source, run_folder, "whole.mkv"), ignore_events)
    with pytest.raises(KeyboardInterrupt):
        transfer(transfer_request(source, run_folder), interrupt_at(frame))
    folder = unfinished_folder(Path("out.mkv"))
    num_done = SEGMENT_FRAMES * (frame // SEGMENT_FRAMES)
    assert json.loads((folder / "manifest.json").read_text())["num_frames"] == num_done
    assert not Path("out.mkv").exists()
    rows = dict(plan_transfer(transfer_request(source, run_folder)).rows)
    assert str(num_done) in rows["continued"]
    events: list[Event] = []
    result = transfer(transfer_request(source, run_folder), events.append)
    assert (result.num_frames, result.num_earlier_frames) == (NUM_FRAMES, num_done)
    assert any(isinstance(event, InfoEvent) and "written before" in event.message for event in events)
    first = next(event.done for event in events if isinstance(event, ProgressEvent) and event.stage == "transfer")
    assert first == num_done + 1
    assert result.path.read_bytes() == expected.path.read_bytes()
    assert result.compare_path is not None
    assert probe(result.compare_path).num_frames == NUM_FRAMES
    names = [f"{name}{suffix}" for name in ("out", "whole") for suffix in (".mkv", "_compare.mp4", "_report")]
    assert sorted(os.listdir()) == sorted([*names, "s.mov"])  # noqa: PTH208


def test_interrupted_video_is_continued_with_its_precision(
    source: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which one is the fastest is measured, and another result would be refused."""
    runtimes = [Runtime(torch.device("cpu"), *values) for values in (("bf16", True), ("fp32", False))]
    first, second = (lambda *_, runtime=runtime: replace(runtime, num_threads=1) for runtime in runtimes)
    monkeypatch.setattr(loaded_model, "choose_fastest", first)
    expected = transfer(transfer_request(source, run_folder, "whole.mkv", precision="auto"), ignore_events)
    with pytest.raises(KeyboardInterrupt):
        transfer(transfer_request(source, run_folder, precision="auto"), interrupt_at(13))
    monkeypatch.setattr(loaded_model, "choose_fastest", second)
    other = transfer(transfer_request(source, run_folder, "other.mkv", precision="auto"), ignore_events)
    result = transfer(transfer_request(source, run_folder, precision="auto"), ignore_events)
    assert result.num_earlier_frames == 10
    assert result.path.read_bytes() == expected.path.read_bytes() != other.path.read_bytes()


@pytest.mark.parametrize("out", ["images", "out.gif"])
def test_transfer_continues_images_and_gif(source: Path, run_folder: Path, out: str) -> None:
    options = {"compare": False, "format": "png" if out == "images" else "auto"}
    whole = transfer(transfer_request(source, run_folder, out, **options), ignore_events).path
    expected = [file.read_bytes() for file in sorted(whole.iterdir())] if whole.is_dir() else whole.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        transfer(transfer_request(source, run_folder, out, overwrite=True, **options), interrupt_at(13))
    result = transfer(transfer_request(source, run_folder, out, overwrite=True, **options), ignore_events).path
    found = [file.read_bytes() for file in sorted(result.iterdir())] if result.is_dir() else result.read_bytes()
    assert (result, found) == (whole, expected)


def test_synthesize_continues_an_interrupted_video(dataset: Path, run_folder: Path) -> None:
    def request(out: str) -> SynthesizeRequest:
        return SynthesizeRequest(run_folder, dataset, Path(out), device="cpu", precision="fp32", compare=False)

    expected = synthesize(request("whole.mkv"), ignore_events).path.read_bytes()
    for frame in (7, 9, 16):
        with pytest.raises(KeyboardInterrupt):
            synthesize(request("out.mkv"), interrupt_at(frame))
    assert "15" in dict(plan_synthesize(request("out.mkv")).rows)["continued"]
    assert synthesize(request("out.mkv"), ignore_events).path.read_bytes() == expected


def test_transfer_without_a_complete_segment_leaves_nothing(source: Path, run_folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        transfer(transfer_request(source, run_folder), interrupt_at(SEGMENT_FRAMES - 1))
    assert os.listdir() == ["s.mov"]  # noqa: PTH208


@pytest.mark.parametrize("change", ["source", "options", "damage"])
def test_transfer_refuses_to_continue_something_else(source: Path, run_folder: Path, change: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        transfer(transfer_request(source, run_folder), interrupt_at(8))
    options: dict[str, Any] = {}
    if change == "source":
        content = source.read_bytes()
        source.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif change == "options":
        options["max_frames"] = 20
    else:
        (unfinished_folder(Path("out.mkv")) / "manifest.json").write_text("{")
        assert transfer(transfer_request(source, run_folder), ignore_events).num_earlier_frames == 0
        return
    with pytest.raises(RunError, match=f"the {change} changed"):
        transfer(transfer_request(source, run_folder, **options), ignore_events)
    result = transfer(transfer_request(source, run_folder, resume=False, **options), ignore_events)
    assert result.num_earlier_frames == 0
    assert not unfinished_folder(Path("out.mkv")).exists()


def test_transfer_continues_saved_layers(source: Path, run_folder: Path) -> None:
    options = {"compare": False, "save": ("raw", "mask")}
    expected = transfer(transfer_request(source, run_folder, "whole.mkv", **options), ignore_events)
    with pytest.raises(KeyboardInterrupt):
        transfer(transfer_request(source, run_folder, **options), interrupt_at(13))
    result = transfer(transfer_request(source, run_folder, **options), ignore_events)
    assert result.num_earlier_frames == 10
    assert list(result.layer_paths) == ["raw", "mask"]
    for layer, path in result.layer_paths.items():
        assert path.read_bytes() == expected.layer_paths[layer].read_bytes()
    with pytest.raises(KeyboardInterrupt):
        transfer(transfer_request(source, run_folder, "other.mkv", **options), interrupt_at(8))
    with pytest.raises(RunError, match="the options changed"):
        transfer(transfer_request(source, run_folder, "other.mkv", **{**options, "save": ("raw",)}), ignore_events)


def test_transfer_refuses_to_continue_with_another_picture(source: Path, run_folder: Path) -> None:
    picture = Path("first.png")
    save_png(picture, blob_frame(3))
    options = {"compare": False, "initial_frame": str(picture)}
    with pytest.raises(KeyboardInterrupt):
        transfer(transfer_request(source, run_folder, **options), interrupt_at(8))
    save_png(picture, blob_frame(9))
    with pytest.raises(RunError, match="the file of --initial-frame changed"):
        transfer(transfer_request(source, run_folder, **options), ignore_events)


def test_identity_contains_the_files_of_all_options(source: Path, run_folder: Path) -> None:
    """Content and time of the last change in the manifest, content alone in the comment of the video."""
    names = ["instances", "background.png", "photo.png", "last.png", "labels.png"]
    Path("instances").mkdir()
    files = {name: Path(name, "1.png") if name == "instances" else Path(name) for name in names}
    for path in files.values():
        path.write_bytes(b"1")
    request = transfer_request(
        source,
        run_folder,
        options={"labels": {"instances": "instances", "mode": "auto"}},
        background_options=BackgroundOptions("background.png"),
        style_options=StyleOptions(
            reference_image=Path("photo.png"), last_style="last.png", reference_labels=("labels.png",)
        ),
    )
    checkpoint = resolve_checkpoint(run_folder)
    first = identify_render(checkpoint, request)
    assert sorted(first.option_files) == [
        "--background",
        "--style-from",
        "--style-labels labels.png",
        "--style-to",
        "-O labels.instances",
    ]
    for path in files.values():
        path.write_bytes(b"2")
        changed = identify_render(checkpoint, request)
        assert (changed.option_values, changed.options == first.options) == (first.option_values, False)
        assert sum(changed.option_files[option] != digest for option, digest in first.option_files.items()) == 1
        path.write_bytes(b"1")
        touched = identify_render(checkpoint, request)
        assert touched == first
        assert touched.option_files != first.option_files
        first = touched


def test_unfinished_video_is_written_by_one_process_at_a_time(tmp_path: Path) -> None:
    settings = VideoOutput(tmp_path / "a.mkv", None, Fraction(25)).settings()
    with UnfinishedVideo(settings, {}, resume=True) as video:
        video.write([np.zeros((16, 16, 3), np.uint8)], ())
        with pytest.raises(OutputExistsError):
            UnfinishedVideo(settings, {}, resume=True)
        video.finish()
    assert os.listdir(tmp_path) == ["a.mkv"]  # noqa: PTH208
