"""Frames in real time: rate, drops, the end of the source, and a source that is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.local_server import QuietHandler, serve_requests
from helpers.video_files import frame_number, numbered_frame, write_video

from vid2vid_cli.core.errors import CameraError, ConfigError, MissingFileError, NotAVideoError
from vid2vid_cli.media import live_capture, live_input
from vid2vid_cli.media.images import encode_jpeg
from vid2vid_cli.media.live_capture import LiveCapture


@pytest.fixture(scope="module")
def numbered_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 numbered frames at 50 frames per second: 0.4 s."""
    path = tmp_path_factory.mktemp("numbered") / "v.mp4"
    return write_video(path, [numbered_frame(index) for index in range(20)], 50)


def test_capture_file_is_played_at_its_own_rate_and_keeps_the_newest_frame(numbered_video: Path) -> None:
    start = time.monotonic()
    with LiveCapture(str(numbered_video), max_short_side=512) as capture:
        assert (capture.height, capture.width, float(capture.fps)) == (64, 96, 50)
        first = capture.take()
        while capture.num_captured < 20:
            time.sleep(0.01)
        last, end = capture.take(), capture.take()
    assert time.monotonic() - start >= 0.8 * 19 / 50
    assert first is not None
    assert last is not None
    assert frame_number(last.rgb) == 19
    assert capture.num_dropped == 18 - frame_number(first.rgb)  # all frames between the two that were taken
    assert last.seconds - first.seconds == pytest.approx((19 - frame_number(first.rgb)) / 50, abs=0.3)
    assert end is None


def test_capture_reduces_large_frames_and_loops(numbered_video: Path) -> None:
    with LiveCapture(str(numbered_video), max_short_side=32, is_looped=True) as capture:
        numbers = []
        while capture.num_captured < 30:
            captured = capture.take()
            assert captured is not None
            assert captured.rgb.shape == (32, 48, 3)
            numbers.append(frame_number(captured.rgb))
    assert numbers != sorted(numbers)  # it started again
    assert capture.take() is None


@pytest.fixture
def camera_url() -> Iterator[str]:
    """A network camera: sends 60 images as MJPEG, and then nothing, but leaves the connection open."""
    is_over, jpeg = threading.Event(), encode_jpeg(numbered_frame(5))

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
            self.end_headers()
            for _ in range(60):
                head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                time.sleep(0.005)
            is_over.wait(20)

    with serve_requests(Handler) as url:
        yield f"{url}/video"
        is_over.set()


def test_capture_network_camera_that_stops_is_one_error(camera_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (live_capture, live_input):
        monkeypatch.setattr(module, "LOST_SECONDS", 0.5)
    with LiveCapture(camera_url, max_short_side=512) as capture:
        frames = map(frame_number, capture)
        assert next(frames) == 5
        with pytest.raises(CameraError) as raised:
            list(frames)
    assert camera_url in raised.value.message


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("97", CameraError),
        ("/dev/video97", CameraError),
        ("http://127.0.0.1:9/a", CameraError),
        ("ftp://127.0.0.1/a.mp4", ConfigError),
        ("nope.mp4", MissingFileError),
        ("text.mp4", NotAVideoError),
    ],
)
def test_capture_reports_a_source_that_cannot_be_opened(
    source: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.mp4").write_text("no video")
    with pytest.raises(error) as raised:
        LiveCapture(source, max_short_side=512)
    assert source in str(raised.value)
