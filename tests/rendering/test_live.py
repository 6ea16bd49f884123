"""Parts of `live`: the gate before annotation, the page and its protection, and the video file."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.video_files import frame_numbers, numbered_frame

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.rendering import live_page
from vid2vid_cli.rendering.live_file import LiveFile
from vid2vid_cli.rendering.live_page import LivePage
from vid2vid_cli.rendering.live_source import MAX_IN_FLIGHT, FrameGate
from vid2vid_cli.rendering.live_statistics import MAX_LATENCIES, LiveStatistics


def is_blocked(gate: FrameGate) -> bool:
    """Whether `wait` blocks; the thread that waits ends when a frame is shown or the gate is closed."""
    thread = threading.Thread(target=gate.wait, daemon=True)
    thread.start()
    thread.join(0.05)
    return thread.is_alive()


def test_gate_limits_the_frames_on_the_way() -> None:
    gate = FrameGate()
    for index in range(MAX_IN_FLIGHT):
        assert gate.wait()
        gate.add(float(index))
        gate.mark_annotated()
    assert is_blocked(gate)
    assert gate.mark_shown() == 0.0  # the capture time of the oldest
    assert not is_blocked(gate)
    gate.close()
    assert not gate.wait()


def test_gate_admits_more_for_a_conditioner_that_reads_ahead() -> None:
    gate = FrameGate()
    for index in range(10):  # none is annotated: the conditioner needs later frames first
        assert gate.wait()
        gate.add(float(index))
    gate.mark_annotated()
    assert is_blocked(gate)  # one annotated frame is being rendered
    gate.mark_shown()
    assert not is_blocked(gate)


@pytest.fixture
def page() -> Iterator[LivePage]:
    with LivePage("127.0.0.1", None, None, lambda: {"num_shown": 3}) as live:
        yield live


def get(page: LivePage, path: str, **headers: str) -> tuple[int, bytes]:
    port = int(page.url.split(":")[2].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response.status, response.read()


def read_jpeg(response: http.client.HTTPResponse) -> np.ndarray:
    """The next image of an MJPEG stream, RGB."""
    length = 0
    while (line := response.readline().strip()) or not length:
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return cv2.imdecode(np.frombuffer(response.read(length), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def test_page_serves_html_status_and_newest_frame(page: LivePage) -> None:
    status, content = get(page, "/")
    assert (status, b"stream.mjpg" in content) == (200, True)
    assert get(page, "/status.json") == (200, b'{"num_shown": 3}')
    assert get(page, "/../pyproject.toml")[0] == 404
    for level in (10, 200):
        page.show(np.full((16, 16, 3), (level, 0, 0), np.uint8), 0.0)
    connection = http.client.HTTPConnection(page.url.split("/")[2], timeout=10)
    connection.request("GET", "/stream.mjpg")
    response = connection.getresponse()
    assert read_jpeg(response)[8, 8, 0] == pytest.approx(200, abs=6)  # the older frame is not sent
    page.show(np.full((16, 16, 3), (90, 0, 0), np.uint8), 0.0)
    assert read_jpeg(response)[8, 8, 0] == pytest.approx(90, abs=6)
    connection.close()


def test_page_refuses_other_hosts_and_websites(page: LivePage) -> None:
    for path in ("/", "/status.json", "/stream.mjpg"):
        assert get(page, path, Host="evil.example:8600")[0] == 403  # DNS rebinding
        assert get(page, path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert get(page, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200  # a link


def test_page_for_other_machines_needs_a_token() -> None:
    with LivePage("0.0.0.0", None, None, dict) as page:
        token = page.url.partition("?token=")[2]
        assert len(token) >= 16
        assert get(page, "/status.json")[0] == 403
        assert get(page, f"/status.json?token={token}x")[0] == 403
        assert get(page, f"/status.json?token={token}", Host="192.168.0.2:8600")[0] == 200
    with LivePage("127.0.0.1", None, "secret", dict) as page:
        assert [get(page, f"/status.json{query}")[0] for query in ("", "?token=secret")] == [403, 200]


def test_page_limits_viewers(page: LivePage, monkeypatch: pytest.MonkeyPatch) -> None:
    while page.viewers.acquire(blocking=False):
        pass
    assert get(page, "/stream.mjpg")[0] == 503


def test_page_with_a_port_in_use_is_an_error_and_the_default_port_another_one(page: LivePage) -> None:
    port = int(page.url.split(":")[2].split("/")[0])
    with pytest.raises(ConfigError):
        LivePage("127.0.0.1", port, None, dict)
    with LivePage("127.0.0.1", None, None, dict) as other:
        assert other.url != page.url
    with pytest.raises(ConfigError):
        LivePage("203.0.113.1", None, None, dict)
    assert live_page.DEFAULT_PORT == 8600


def test_file_repeats_frames_until_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "live.mp4"
    with LiveFile(path, Fraction(25)) as file:
        for number, seconds in ((1, 100.0), (2, 100.04), (3, 100.2)):
            file.show(numbered_frame(number), seconds)
    assert frame_numbers(list(VideoReader(path))) == [1, 2, 2, 2, 2, 3]


def test_statistics_are_bounded_and_measure_latency() -> None:
    statistics = LiveStatistics()
    for _ in range(MAX_LATENCIES + 10):
        statistics.add(time.monotonic() - 0.1)
    summary = statistics.total()
    assert summary.num_shown == MAX_LATENCIES + 10
    assert summary.median_latency_ms == pytest.approx(100, abs=5)
    assert summary.frames_per_second > 1000
    assert len(statistics._latencies) == MAX_LATENCIES
    assert statistics.recent().num_shown == summary.num_shown
