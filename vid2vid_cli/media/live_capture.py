"""The newest frame of a camera, a network stream or a file that is played at its own rate; older ones are dropped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from vid2vid_cli.core.errors import NoFramesError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.colour import colour_tags
from vid2vid_cli.media.container import codec_name
from vid2vid_cli.media.frame_geometry import (
    display_orientation,
    make_upright,
    nearest_quarter_turn,
    pixel_aspect_ratio,
    upright_size,
)
from vid2vid_cli.media.images import resize_image
from vid2vid_cli.media.live_input import LOST_SECONDS, LiveInput, find_video_stream, play_frames, stream_rate
from vid2vid_cli.media.packet_times import DEFAULT_FPS
from vid2vid_cli.media.probe import Probe


class CapturedFrame(NamedTuple):
    """A frame and the time at which it was captured."""

    rgb: ImageArray
    seconds: float
    """On the clock of `time.monotonic`."""


class LiveCapture:
    """Decodes frames in a thread; `take` returns the newest one. Implements `FrameSource`.

    `source`: the number of a camera, the path of a video, or a URL. Frames are uint8 (h, w, 3) RGB, upright, with
    square pixels, and reduced so that the shorter side has at most `max_short_side` pixels. `is_looped`: a file starts
    again at its end. One decoded frame is held. A context manager: the block starts and ends the thread.

    Raises CameraError (a camera or URL that cannot be opened), NoFramesError, NotAVideoError, MissingFileError,
    ConfigError (a URL of an unknown kind).
    """

    warnings: list[str]
    remarks: list[str]
    files: tuple[Path, ...] = ()
    num_frames: int | None = None
    start_seconds = Fraction(0)
    discontinuities: frozenset[int] = frozenset()
    seekable_indices: Sequence[int] = (0,)

    def __init__(self, source: str, *, max_short_side: int, is_looped: bool = False) -> None:
        self.warnings, self.remarks = [], []
        self.live_input = LiveInput(source)
        self.num_captured = self.num_dropped = 0
        """Frames that were decoded, and those of them that a newer frame replaced before they were taken."""
        self._is_looped = is_looped and self.live_input.is_file
        self._changed, self._stop = threading.Condition(), threading.Event()
        self._newest: tuple[VideoFrame, float] | None = None
        self._has_ended = False
        self._error: Exception | None = None
        self._converter = VideoReformatter()
        self.probe = self._read_probe()
        self.fps = self.source_fps = self.probe.fps
        scale = min(1.0, max_short_side / min(self.probe.height, self.probe.width))
        self.height, self.width = round(self.probe.height * scale), round(self.probe.width * scale)
        self._thread = threading.Thread(target=self._capture, daemon=True, name="capture")

    def __enter__(self) -> LiveCapture:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join(timeout=LOST_SECONDS + 1)

    def stop(self) -> None:
        """End the capture; `take` then returns None."""
        self._stop.set()
        with self._changed:
            self._has_ended, self._newest = True, None
            self._changed.notify_all()

    def take(self) -> CapturedFrame | None:
        """Wait for a frame that was not taken before, and return the newest one; None at the end of the source.

        Raises CameraError if no frame arrives for `LOST_SECONDS`, or if the camera or network reports an error.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._has_ended, timeout=LOST_SECONDS)
            if self._newest is None:
                if self._error is not None:
                    raise self._error
                if not self._has_ended:
                    raise self.live_input.lost_error(f"none arrived for {LOST_SECONDS:.0f} s")
                return None
            (frame, seconds), self._newest = self._newest, None
        return CapturedFrame(self._to_rgb(frame), seconds)

    def __iter__(self) -> Iterator[ImageArray]:
        """Yield the newest frame each time."""
        while (captured := self.take()) is not None:
            yield captured.rgb

    def select_range(self, start: int, stop: int) -> LiveCapture:
        """This capture: frames that have passed cannot be read again."""
        return self

    def _read_probe(self) -> Probe:
        """Open the source and decode its first frame. A file is opened again by the thread; others stay open."""
        container = self.live_input.open()
        stream = find_video_stream(self.live_input, container)
        self._opened: tuple[InputContainer, VideoStream] | None = container, stream
        try:
            frame = next(play_frames(self.live_input, container, stream, self._stop), None)
        except FFmpegError as error:
            raise self.live_input.lost_error(error.strerror or str(error)) from error
        if frame is None:
            raise NoFramesError(f"{self.live_input.describe()} delivers no frames.", "Choose another source.")
        probe = _describe_frame(stream, frame)  # before the container is closed, which frees the stream
        if self.live_input.is_file:
            container.close()
            self._opened = None
        return probe

    def _capture(self) -> None:
        error: Exception | None = None
        try:
            self._play()
            while self._is_looped and not self._stop.is_set():
                self._play()
            if self.live_input.is_camera and not self._stop.is_set():
                error = self.live_input.lost_error("it was disconnected")
        except FFmpegError as ffmpeg_error:
            error = self.live_input.lost_error(ffmpeg_error.strerror or str(ffmpeg_error))
        except Exception as other_error:  # raised by `take`
            error = other_error
        with self._changed:
            self._has_ended, self._error = True, error
            self._changed.notify_all()

    def _play(self) -> None:
        """Publish the frames of the source until its end."""
        if self._opened is None:
            container = self.live_input.open()
            self._opened = container, find_video_stream(self.live_input, container)
        (container, stream), self._opened = self._opened, None
        with container:
            for frame in play_frames(self.live_input, container, stream, self._stop):
                with self._changed:
                    self.num_captured += 1
                    self.num_dropped += self._newest is not None
                    self._newest = frame, time.monotonic()
                    self._changed.notify_all()

    def _to_rgb(self, frame: VideoFrame) -> ImageArray:
        height, width = (self.height, self.width)
        stored_size = (width, height) if self.probe.rotation % 180 else (height, width)
        rgb = colour_tags(frame).to_rgb(frame, self._converter, stored_size)
        if rgb.shape[:2] != stored_size:
            rgb = resize_image(rgb, *stored_size)
        return make_upright(rgb, self.probe.rotation, self.probe.is_mirrored)


def _describe_frame(stream: VideoStream, frame: VideoFrame) -> Probe:
    """The properties of a source without an end, from its first frame."""
    angle, is_mirrored = display_orientation(frame)
    rotation, aspect_ratio = nearest_quarter_turn(angle), pixel_aspect_ratio(stream)
    height, width = upright_size(frame, aspect_ratio, rotation)
    return Probe(
        width=width,
        height=height,
        fps=stream_rate(stream, DEFAULT_FPS),
        num_frames=0,
        duration=0.0,
        rotation=rotation,
        has_audio=False,
        codec=codec_name(stream),
        is_variable_rate=True,
        colour_space=colour_tags(frame).name,
        kind="video",
        is_mirrored=is_mirrored,
        pixel_aspect_ratio=aspect_ratio,
    )
