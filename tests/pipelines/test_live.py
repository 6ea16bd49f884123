"""`live` from a played file to a page and to a video file."""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.video_files import solid_frame, write_video

from vid2vid_cli.core.errors import CameraError, ConfigError, DeviceError, NoDetectionError
from vid2vid_cli.engine import compilation
from vid2vid_cli.engine.events import Event, InfoEvent, ProgressEvent, ignore_events
from vid2vid_cli.media import live_capture
from vid2vid_cli.media.live_capture import LiveCapture
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.live import LiveRequest, LiveResult, live


def run_live(run_folder: Path, source: Path | str, **changes: Any) -> LiveResult:
    emit = changes.pop("emit", ignore_events)
    settings = {"device": "cpu", "precision": "fp32", "loop": True, "max_seconds": 1.0, **changes}
    return live(LiveRequest(run_folder, str(source), **settings), emit)


def test_live_shows_a_looped_file_on_a_page(blob_video: Path, run_folder: Path) -> None:
    statuses: list[dict[str, Any]] = []
    urls: list[str] = []

    def on_event(event: Event) -> None:
        if isinstance(event, InfoEvent) and "http://" in event.message:
            urls.append(event.message.split()[1])
        if isinstance(event, ProgressEvent) and event.done == 10:
            connection = http.client.HTTPConnection(urls[0].split("/")[2], timeout=10)
            connection.request("GET", "/status.json")
            statuses.append(json.loads(connection.getresponse().read()))

    result = run_live(run_folder, blob_video, emit=on_event)
    assert result.path is None
    assert result.url == urls[0]
    assert statuses[0]["num_shown"] == 10
    assert statuses[0]["state"] == ""
    assert statuses[0]["latency_ms"] > 0
    assert result.summary.num_shown >= 10
    assert result.num_captured >= result.summary.num_shown + result.num_dropped
    assert [thread.name for thread in threading.enumerate() if thread.name in ("capture", "page")] == []


def test_live_writes_a_file_in_real_time(blob_video: Path, run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    result = run_live(run_folder, blob_video, to=str(out), compare=True)
    assert result.path == out
    reader = VideoReader(out)
    assert reader.width > 3 * 24  # source, condition and result
    # One second of frames, each as long as until the next one, however many were dropped.
    assert len(list(reader)) / reader.fps == pytest.approx(1.0, abs=0.5)


def test_live_compiles_the_generator(blob_video: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a backend that generates no code."""
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    events: list[Event] = []
    try:
        result = run_live(run_folder, blob_video, compile=True, emit=events.append)
    finally:
        torch._dynamo.reset()
    assert result.summary.num_shown > 0
    notices = [event.message for event in events if isinstance(event, InfoEvent)]
    assert any("fp32" in notice and "compiled" in notice for notice in notices)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(DeviceError, match="no-such-compiler"):
        run_live(run_folder, blob_video, compile=True)


def test_live_ends_normally_with_ctrl_c(blob_video: Path, run_folder: Path, tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, ProgressEvent) and event.done == 5:
            raise KeyboardInterrupt

    out = tmp_path / "out.mp4"
    result = run_live(run_folder, blob_video, to=str(out), max_seconds=None, emit=interrupt)
    assert result.summary.num_shown == 5
    assert len(list(VideoReader(out))) >= 5


def test_live_keeps_the_file_when_the_camera_is_lost(
    blob_video: Path, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_capture, "LOST_SECONDS", 0.2)
    monkeypatch.setattr(LiveCapture, "_play", stop_after(40, LiveCapture._play))
    out = tmp_path / "out.mp4"
    with pytest.raises(CameraError) as raised:
        run_live(run_folder, blob_video, to=str(out), max_seconds=None)
    assert str(blob_video) in raised.value.message
    assert len(list(VideoReader(out))) > 0


def stop_after(num_frames: int, play: Any) -> Any:
    """`LiveCapture._play` that delivers nothing after so many frames, until the capture is stopped."""

    def play_some(capture: LiveCapture) -> None:
        if capture.num_captured < num_frames:
            play(capture)
        else:
            capture._stop.wait(10)

    return play_some


def test_live_without_a_detection_and_with_label_files_is_an_error(
    blob_video: Path, run_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        run_live(run_folder, blob_video, options={"edges": {"input_dir": str(tmp_path)}})
    black = tmp_path / "black.mp4"
    write_video(black, [solid_frame((0, 0, 0), 40, 56)] * 3, 30)
    with pytest.raises(NoDetectionError):
        run_live(run_folder, black, loop=False)
