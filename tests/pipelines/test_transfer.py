"""`transfer` end to end: frames, audio, time ranges, missing detections and errors."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.factories import FPS, HEIGHT, NUM_FRAMES, WIDTH, blob_frame
from helpers.video_files import click_track, find_clicks, write_video

from vid2vid_cli.core.errors import (
    AudioOnlyError,
    DeviceError,
    ForeignCheckpointError,
    MissingFileError,
    NoDetectionError,
    NotAVideoError,
    RunError,
    Vid2VidError,
)
from vid2vid_cli.engine import compilation
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, ProgressEvent, WarningEvent, ignore_events
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.pipelines.transfer_plan import plan_transfer
from vid2vid_cli.rendering.video_output import RenderResult


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_transfer(source: Path, target: Path, **changes: Any) -> RenderResult:
    emit = changes.pop("emit", ignore_events)
    settings = {"device": "cpu", "precision": "fp32", "compare": False, **changes}
    return transfer(TransferRequest(source, target, **settings), emit)


def test_transfer_end_to_end_with_audio(blob_video: Path, run_folder: Path) -> None:
    events: list[Event] = []
    result = run_transfer(blob_video, run_folder / "blob.ckpt", compare=True, emit=events.append)
    assert (result.path, result.compare_path) == (Path("blob_as_blob.mp4"), Path("blob_as_blob_compare.mp4"))
    assert (result.num_frames, result.fps) == (NUM_FRAMES, FPS)
    for path in (result.path, result.compare_path):
        assert path is not None
        assert len(list(VideoReader(path))) == NUM_FRAMES
        assert find_clicks(path) == pytest.approx([0.2], abs=0.02)
    assert (probe(result.path).height, probe(result.path).width) == (24, 24)
    assert [event.message.partition(" -> ")[2] for event in events if isinstance(event, InfoEvent)] == [
        "blob on cpu, fp32, channels_last"
    ]
    progress = [event.done for event in events if isinstance(event, ProgressEvent) and event.stage == "transfer"]
    assert progress == list(range(1, NUM_FRAMES + 1))
    assert sorted(os.listdir()) == ["blob_as_blob.mp4", "blob_as_blob_compare.mp4", "blob_as_blob_report"]  # noqa: PTH208


def test_transfer_of_training_video_matches_synthesize(blob_video: Path, run_folder: Path, dataset: Path) -> None:
    """Both start from the same decoded frames; x264's threads change a few pixels of such small frames."""
    transferred = run_transfer(blob_video, run_folder)
    synthesized = synthesize(
        SynthesizeRequest(run_folder, dataset, device="cpu", precision="fp32", compare=False), ignore_events
    )
    for a, b in zip(VideoReader(transferred.path), VideoReader(synthesized.path), strict=True):
        assert np.abs(a.astype(int) - b).mean() < 1


def test_transfer_avoids_taken_names(blob_video: Path, run_folder: Path) -> None:
    paths = [run_transfer(blob_video, run_folder, max_frames=3).path for _ in range(2)]
    assert [path.name for path in paths] == ["blob_as_blob.mp4", "blob_as_blob-2.mp4"]
    assert run_transfer(blob_video, run_folder, max_frames=2, overwrite=True).path == paths[0]
    assert len(list(VideoReader(paths[0]))) == 2


def test_transfer_time_range_keeps_its_audio(run_folder: Path) -> None:
    audio = click_track(2.0, [0.5, 1.7])
    write_video(Path("long.mp4"), [blob_frame(index % NUM_FRAMES) for index in range(50)], 25, audio=audio)
    result = run_transfer(Path("long.mp4"), run_folder, start=1.0)
    assert result.num_frames == 25
    assert find_clicks(result.path) == pytest.approx([0.7], abs=0.03)
    assert run_transfer(Path("long.mp4"), run_folder, end=0.4).num_frames == 10


@pytest.mark.parametrize(("height", "width"), [(61, 97), (97, 61), (600, 540)])
def test_transfer_accepts_any_size_without_audio(run_folder: Path, height: int, width: int) -> None:
    frames = [np.kron(blob_frame(i, 61, 97)[:60, :90], np.ones((10, 6, 1), np.uint8)) for i in range(3)]
    cropped_frames = [frame[:height, :width] for frame in frames]
    write_video(Path("odd.mov"), cropped_frames, Fraction(24000, 1001), codec="png", pixel_format="rgb24")
    result = run_transfer(Path("odd.mov"), run_folder, compare=True)
    assert (result.num_frames, result.fps, probe(result.path).has_audio) == (3, Fraction(24000, 1001), False)
    assert (probe(result.path).height, probe(result.path).width) == (24, 24)


def test_transfer_accepts_image_and_image_folder(run_folder: Path) -> None:
    Path("images").mkdir()
    for index in range(3):
        save_png(Path(f"images/{index}.png"), blob_frame(index))
    assert run_transfer(Path("images"), run_folder).num_frames == 3
    assert run_transfer(Path("images/0.png"), run_folder).num_frames == 1


def test_transfer_repeats_last_pose_when_missing(run_folder: Path) -> None:
    """Blank frames have no edges: the edges of the previous frame are rendered."""
    blank_frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    frames = [blank_frame, blob_frame(4), blank_frame, blank_frame, blob_frame(4)]
    write_video(Path("gaps.mov"), frames, 25, codec="png", pixel_format="rgb24")
    write_video(Path("still.mov"), [blob_frame(4)] * 5, 25, codec="png", pixel_format="rgb24")
    events: list[Event] = []
    gaps_result = run_transfer(Path("gaps.mov"), run_folder, emit=events.append)
    warnings = [event.message for event in events if isinstance(event, WarningEvent)]
    assert any("3 of 5 frames" in message for message in warnings)
    still_result = run_transfer(Path("still.mov"), run_folder)
    assert len(list(VideoReader(gaps_result.path))) == 5
    for a, b in zip(VideoReader(gaps_result.path), VideoReader(still_result.path), strict=True):
        assert np.abs(a.astype(int) - b).mean() < 3


def test_transfer_warns_if_almost_nothing_is_detected(run_folder: Path) -> None:
    frames = [blob_frame(4), *[np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * 15]
    write_video(Path("few.mov"), frames, 25, codec="png", pixel_format="rgb24")
    events: list[Event] = []
    run_transfer(Path("few.mov"), run_folder, emit=events.append)
    (warning,) = [event.message for event in events if isinstance(event, WarningEvent)]
    assert "few.mov: edges has no detection on 15 of 16 frames (0.04 to 0.64 s)" in warning
    assert "still image" in warning


def test_transfer_rejects_dataset(run_folder: Path, dataset: Path) -> None:
    with pytest.raises(NotAVideoError) as caught:
        run_transfer(dataset, run_folder)
    assert caught.value.hint == f"vid2vid synthesize {run_folder} {dataset}"


def test_transfer_raises_without_detections(run_folder: Path) -> None:
    write_video(Path("blank.mov"), [np.full((40, 56, 3), 90, np.uint8)] * 4, 25, codec="png", pixel_format="rgb24")
    with pytest.raises(NoDetectionError, match=r"edges.*4 frames of blank\.mov"):
        run_transfer(Path("blank.mov"), run_folder)
    assert os.listdir() == ["blank.mov"]  # noqa: PTH208


def test_plan_transfer_writes_nothing(blob_video: Path, run_folder: Path) -> None:
    rows = dict(plan_transfer(TransferRequest(blob_video, run_folder)).rows)
    assert rows["target"] == "blob, 24x24"
    assert rows["conditioners"] == "edges"
    assert rows["video"] == "blob_as_blob.mp4"
    assert os.listdir() == []  # noqa: PTH208
    assert load_metadata(run_folder / "blob.ckpt").name == "blob"


def test_transfer_bad_input_has_exit_codes(blob_video: Path, run_folder: Path) -> None:
    import av

    Path("text.mp4").write_text("not a video\n" * 99)
    with av.open("song.wav", "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        block.sample_rate = 8000
        container.mux(stream.encode(block))
    Path("foreign.ckpt").write_bytes(b"PK\x03\x04" + bytes(999))
    before = sorted(os.listdir())  # noqa: PTH208
    cases: list[tuple[Path, Path, type[Vid2VidError], int]] = [
        (Path("none.mp4"), run_folder, MissingFileError, 10),
        (Path("text.mp4"), run_folder, NotAVideoError, 11),
        (Path("song.wav"), run_folder, AudioOnlyError, 14),
        (blob_video, Path("none.ckpt"), MissingFileError, 10),
        (blob_video, Path("foreign.ckpt"), ForeignCheckpointError, 32),
    ]
    for source, target, kind, code in cases:
        with pytest.raises(kind) as caught:
            run_transfer(source, target)
        assert caught.value.exit_code == code
        assert caught.value.hint
    assert sorted(os.listdir()) == before  # noqa: PTH208
    Path("half").mkdir()
    (Path("half") / "config.yaml").touch()
    with pytest.raises(RunError, match="half"):
        run_transfer(blob_video, Path("half"))


def test_transfer_compiles_the_generator(blob_video: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a backend that generates no code; real code generation takes minutes, see tests/engine."""
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    options: dict[str, Any] = {"device": "cpu", "precision": "fp32", "compare": False, "max_frames": 3}
    expected = transfer(TransferRequest(blob_video, run_folder, Path("a.mkv"), **options), ignore_events)
    events: list[Event] = []
    request = TransferRequest(blob_video, run_folder, Path("b.mkv"), **options, compile=True)
    try:
        result = transfer(request, events.append)
    finally:
        torch._dynamo.reset()
    notices = [event.message for event in events if isinstance(event, InfoEvent)]
    assert any("compiled" in notice and "fp32" in notice for notice in notices)
    for first, second in zip(VideoReader(result.path), VideoReader(expected.path), strict=True):
        np.testing.assert_allclose(first.astype(int), second.astype(int), atol=1)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(DeviceError, match="no-such-compiler"):
        plan_transfer(request)
