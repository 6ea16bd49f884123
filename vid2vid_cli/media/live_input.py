"""Opening of a camera, a network stream or a file, for frames in real time."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vid2vid_cli.core.errors import CameraError, ConfigError, NotAVideoError
from vid2vid_cli.core.paths import check_exists, check_input_path, url_scheme
from vid2vid_cli.media.container import PLAYABLE_HINT, frame_time
from vid2vid_cli.media.tracks import choose_video_track

URL_SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp", "tcp")
OPEN_SECONDS, LOST_SECONDS = 15.0, 5.0
"""Longest time until a source is open, and between two of its frames."""
CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
CAMERA_HINT = "Check that it is connected, that no other program uses it, and that you may read it."
URL_HINT = "Check the address with a video player, such as ffplay."
URL_OPTIONS = {"fflags": "nobuffer", "rtsp_transport": "tcp"}
_CAMERA_PATTERN = re.compile(r"\d{1,2}|/dev/video\d{1,3}")


@dataclass(frozen=True)
class LiveInput:
    """A camera, a URL or a file, as named by the user."""

    source: str

    def __post_init__(self) -> None:
        """Raise ConfigError for a URL of another kind, and the errors of the checks of paths."""
        scheme = url_scheme(self.source)
        if scheme and scheme not in URL_SCHEMES:
            raise ConfigError(
                f"{self.source}: {scheme} is not a kind of URL that can be read.", f"Use {', '.join(URL_SCHEMES)}."
            )
        if self.is_file:
            check_input_path(Path(self.source))
            check_exists(Path(self.source))

    @property
    def is_camera(self) -> bool:
        """Whether the source is the number of a camera, or its device."""
        return _CAMERA_PATTERN.fullmatch(self.source) is not None

    @property
    def is_file(self) -> bool:
        """Whether the source is a path."""
        return not self.is_camera and not url_scheme(self.source)

    def describe(self) -> str:
        """The source for messages: `camera 0`, a URL or a path."""
        return f"camera {self.source}" if self.is_camera else self.source

    def open(self) -> InputContainer:
        """Open it. Raises CameraError for a camera or a URL, NotAVideoError for a file."""
        try:
            if self.is_camera:
                name, container_format = _camera_device(self.source)
                return av.open(name, format=container_format, timeout=(OPEN_SECONDS, LOST_SECONDS))
            if self.is_file:
                return av.open(f"file:{self.source}")
            return av.open(self.source, options=dict(URL_OPTIONS), timeout=(OPEN_SECONDS, LOST_SECONDS))
        except (FFmpegError, OSError, ValueError) as error:
            if self.is_file:
                raise NotAVideoError(f"{self.source} is not a readable video.", PLAYABLE_HINT) from error
            reason = getattr(error, "strerror", None) or str(error)
            hint = CAMERA_HINT if self.is_camera else URL_HINT
            raise CameraError(f"{self.describe()} cannot be opened: {reason}.", hint) from error

    def lost_error(self, reason: str) -> CameraError:
        """The error for a source that delivers no more frames."""
        hint = CAMERA_HINT if self.is_camera else URL_HINT
        return CameraError(f"{self.describe()} delivers no more frames: {reason}.", hint)


def find_video_stream(live_input: LiveInput, container: InputContainer) -> VideoStream:
    """The video stream of an open source, set up for decoding without delay. Raises NotAVideoError."""
    stream = choose_video_track(container)
    if stream is None:
        raise NotAVideoError(f"{live_input.describe()} contains no video that can be decoded.", PLAYABLE_HINT)
    stream.thread_type = "SLICE"  # threads for several frames delay each frame by their number
    return stream


def play_frames(
    live_input: LiveInput, container: InputContainer, stream: VideoStream, stop: Event
) -> Generator[VideoFrame, None, None]:
    """Yield the frames of an open source, each at its time: a file at its own rate, a camera as fast as it delivers.

    A URL of a finite video is played at its rate too. Ends at the end of the source or when `stop` is set. Raises
    FFmpegError.
    """
    is_paced = not live_input.is_camera and bool(container.duration)
    start: float | None = None
    for packet in container.demux(stream):
        for frame in stream.codec_context.decode(packet if packet.size else None):
            seconds = frame_time(container, frame)
            if is_paced and seconds is not None:
                now = time.monotonic()
                start = now - float(seconds) if start is None else start
                if stop.wait(max(0.0, start + float(seconds) - now)):
                    return
            if stop.is_set():
                return
            yield frame


def stream_rate(stream: VideoStream, default: Fraction) -> Fraction:
    """Frames per second that the source declares; `default` if it declares none, or none that is possible."""
    rate = stream.average_rate or stream.guessed_rate
    return rate if rate is not None and 1 <= rate <= 240 else default


def _camera_device(source: str) -> tuple[str, str]:
    """(name, format) of a camera for FFmpeg. Raises CameraError if this system is not supported or has no such one."""
    container_format = CAMERA_FORMATS.get(sys.platform)
    if container_format is None:
        raise CameraError(f"Cameras are not supported on {sys.platform}.", "Use --source FILE or URL.")
    if sys.platform != "win32":
        return f"/dev/video{source}" if source.isdigit() and sys.platform == "linux" else source, container_format
    from av.device import enumerate_input_devices

    cameras = [device for device in enumerate_input_devices(container_format) if "video" in device.media_types]
    if int(source) >= len(cameras):
        raise CameraError(f"camera {source} does not exist. Cameras found, from 0 on: {len(cameras)}.", CAMERA_HINT)
    return f"video={cameras[int(source)].name}", container_format
