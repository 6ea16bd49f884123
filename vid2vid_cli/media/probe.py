"""Properties of a video without decoding all of it: size, frame rate, duration, codec, audio."""

from __future__ import annotations

import statistics
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import islice, pairwise
from math import ceil
from pathlib import Path
from typing import Any, Literal

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vid2vid_cli.core.errors import NoFramesError, TruncatedVideoError
from vid2vid_cli.media.colour import colour_tags
from vid2vid_cli.media.container import (
    NO_FRAME_HINT,
    PLAYABLE_HINT,
    TRUNCATED_HINT,
    codec_name,
    first_frame_time,
    has_timestamps,
    is_lossless,
    open_video,
    pixel_aspect_ratio,
)
from vid2vid_cli.media.file_pairing import sort_files
from vid2vid_cli.media.images import load_image
from vid2vid_cli.media.os_errors import read_error

PacketTime = tuple[Fraction, Fraction]  # presentation time and duration, seconds
SourceKind = Literal["video", "images", "image", "gif"]

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
LOSSY_IMAGE_SUFFIXES = {".jpg", ".jpeg"}
DEFAULT_IMAGE_FPS = Fraction(25)

# A stored rate within 0.2 % of a standard rate is that rate: clocks of 1 ms and averages cause the difference.
NTSC_FACTOR = Fraction(1000, 1001)
INTEGER_FRAME_RATES = [
    Fraction(n) for n in (5, 6, 8, 10, 12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)
]
STANDARD_FRAME_RATES = INTEGER_FRAME_RATES + [rate * NTSC_FACTOR for rate in (24, 30, 48, 60, 120)]

# Fraction of a frame by which time stamps may deviate (Matroska rounds to 1 ms) without losing or repeating a frame.
# Below one half, so that a grid time halfway between two frames, as with 20 fps from 30 fps, selects one side.
TIMESTAMP_TOLERANCE = Fraction(9, 20)

# Packets that are read to measure the frame rate; more of them take time without changing the result.
MAX_PROBE_PACKETS = 400


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Properties of a video as `VideoReader` returns it: upright, with square pixels, at a constant rate."""

    width: int
    height: int
    fps: Fraction
    num_frames: int  # on the grid; an estimate if the file does not store it
    duration: float  # seconds
    rotation: int  # degrees, as stored: 0, 90, 180, 270
    has_audio: bool
    codec: str
    is_variable_rate: bool  # the frames of the file do not have a constant rate
    colour_space: str  # "bt709", "bt601 (not tagged)", "rgb" ...
    kind: SourceKind
    start_time: Fraction = Fraction(0)  # time stamp of the first frame, seconds
    is_lossless: bool = False  # losslessly compressed

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON types; fractions are strings such as "30000/1001"."""
        return asdict(self) | {"fps": str(self.fps), "start_time": str(self.start_time)}


def probe(path: Path) -> Probe:
    """Read the properties of a video file, an image or a folder of images.

    Raises MissingFileError, NotAVideoError, NoFramesError, TruncatedVideoError, AudioOnlyError,
    PermissionDeniedError, InputFileMismatchError (a folder with two images of one name).
    """
    if path.is_dir():
        return _probe_images(path, image_files(path), "images")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _probe_images(path, [path], "image")
    with open_video(path) as (container, stream):
        return _probe_stream(path, container, stream)


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder as in `sort_files`, which may raise. Hidden files are ignored."""
    try:
        files = [entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES and entry.name[0] != "."]
    except OSError as error:
        raise read_error(folder, error) from error
    if not files:
        raise NoFramesError(f"The folder {folder} contains no images.", PLAYABLE_HINT)
    return sort_files(files)


def upright_size(frame: VideoFrame, pixel_aspect_ratio: Fraction, quarter_turns: int) -> tuple[int, int]:
    """(height, width) of a decoded frame after scaling to square pixels and rotation."""
    width = max(1, round(frame.width * pixel_aspect_ratio))
    return (width, frame.height) if quarter_turns % 2 else (frame.height, width)


def _probe_images(path: Path, files: list[Path], kind: SourceKind) -> Probe:
    height, width = load_image(files[0]).shape[:2]
    return Probe(
        width=width,
        height=height,
        fps=DEFAULT_IMAGE_FPS,
        num_frames=len(files),
        duration=float(len(files) / DEFAULT_IMAGE_FPS),
        rotation=0,
        has_audio=False,
        codec=files[0].suffix[1:].lower(),
        is_variable_rate=False,
        colour_space="rgb",
        kind=kind,
        is_lossless=not all(file.suffix.lower() in LOSSY_IMAGE_SUFFIXES for file in files),
    )


def _probe_stream(path: Path, container: InputContainer, stream: VideoStream) -> Probe:
    frame = _decode_first_frame(path, container, stream)
    start_time = first_frame_time(container, frame)
    packet_times, is_complete = _sample_packet_times(container, stream)
    fps, is_variable_rate = _measure_frame_rate(stream, packet_times)
    end_time = _end_time(container, stream, packet_times, is_complete=is_complete, frame_period=1 / fps)
    seconds = float(max(end_time - start_time, 1 / fps))
    rotation = round(frame.rotation / 90) * 90 % 360
    height, width = upright_size(frame, pixel_aspect_ratio(stream), rotation // 90)
    tags = colour_tags(frame)
    return Probe(
        width=width,
        height=height,
        fps=fps,
        num_frames=max(1, ceil(seconds * fps - TIMESTAMP_TOLERANCE)),
        duration=seconds,
        rotation=rotation,
        has_audio=bool(container.streams.audio),
        codec=codec_name(stream),
        is_variable_rate=is_variable_rate,
        colour_space=tags.name + (" (not tagged)" if tags.is_guessed else ""),
        kind="gif" if container.format.name == "gif" else "video",
        start_time=start_time,
        is_lossless=is_lossless(stream),
    )


def _decode_first_frame(path: Path, container: InputContainer, stream: VideoStream) -> VideoFrame:
    try:
        for frame in container.decode(stream):
            return frame
    except FFmpegError:
        pass
    if stream.frames or stream.duration or path.stat().st_size > 1 << 20:
        raise TruncatedVideoError(f"{path} is truncated: it contains no complete frame.", TRUNCATED_HINT)
    raise NoFramesError(f"{path} is a video without frames.", NO_FRAME_HINT)


def _sample_packet_times(container: InputContainer, stream: VideoStream) -> tuple[list[PacketTime], bool]:
    """Sorted times of the first packets, and whether these are all packets of the file."""
    container.seek(0)
    packet_times: list[PacketTime] = []
    is_complete = False
    with suppress(FFmpegError):
        for packet in islice(container.demux(stream), MAX_PROBE_PACKETS):
            is_complete = packet.size == 0  # the empty packet that closes the stream
            packet_times.extend(_packet_times(container, stream, packet))
    packet_times.sort()
    # With reordered frames, packets are missing near the end of the sample.
    return (packet_times if is_complete else packet_times[:-32] or packet_times), is_complete


def _packet_times(container: InputContainer, stream: VideoStream, packet: Packet[VideoStream]) -> list[PacketTime]:
    ticks = packet.pts if has_timestamps(container) else packet.dts
    time_base = stream.time_base
    return [] if ticks is None or time_base is None else [(ticks * time_base, (packet.duration or 0) * time_base)]


def _end_time(
    container: InputContainer,
    stream: VideoStream,
    packet_times: list[PacketTime],
    *,
    is_complete: bool,
    frame_period: Fraction,
) -> Fraction:
    """End of the last frame in seconds on the file's clock: from the last packets, or the declared duration."""
    start_time = packet_times[0][0] if packet_times else Fraction(0)
    declared_end = None
    if stream.duration is not None and stream.time_base:
        declared_end = start_time + stream.duration * stream.time_base
    elif container.duration is not None:
        declared_end = start_time + Fraction(container.duration, 1_000_000)
    if not is_complete and declared_end is not None and stream.time_base:
        tail_times: list[PacketTime] = []
        with suppress(FFmpegError):
            container.seek(int(declared_end / stream.time_base), stream=stream, backward=True)
            for packet in container.demux(stream):
                tail_times.extend(_packet_times(container, stream, packet))
        # A truncated file has no packets there: use its declared duration.
        if not tail_times or (max(tail_times)[0] < declared_end - 1 and stream.duration is not None):
            return declared_end
        packet_times = tail_times
    last_time, duration = max(packet_times, default=(start_time, frame_period))
    duration = duration or frame_period
    if stream.duration is not None and declared_end is not None:
        # With reordered frames, the duration of a packet is that of another frame.
        duration = min(duration, max(frame_period, declared_end - last_time))
    return last_time + duration


def _measure_frame_rate(stream: VideoStream, packet_times: list[PacketTime]) -> tuple[Fraction, bool]:
    """The frame rate, and whether frames deviate from it by more than the resolution of the file's clock."""
    times = [time for time, _ in packet_times]
    average_rate = stream.average_rate or stream.guessed_rate
    intervals = [late - early for early, late in pairwise(times) if late > early]
    if len(intervals) < 2:
        return _nearest_standard_rate(average_rate or stream.guessed_rate or DEFAULT_IMAGE_FPS), False
    median_interval = statistics.median(intervals)
    # The mean of the intervals near the median removes the rounding of a 1 ms clock: 33, 33, 34 -> 1/30.
    typical_intervals = [value for value in intervals if abs(value - median_interval) <= median_interval / 5]
    measured_rate = _nearest_standard_rate(len(typical_intervals) / sum(typical_intervals, Fraction(0)))
    if measured_rate > 240 and average_rate:
        measured_rate = _nearest_standard_rate(average_rate)
    clock_tick = stream.time_base or Fraction(1, 1000)
    tolerance = max(Fraction(1, 4) / measured_rate, 2 * clock_tick)
    is_variable_rate = any(abs(time - times[0] - i / measured_rate) > tolerance for i, time in enumerate(times))
    if not is_variable_rate and average_rate and abs(average_rate / measured_rate - 1) < Fraction(1, 500):
        # The stored rate is exact if it agrees with the measured one.
        measured_rate = _nearest_standard_rate(average_rate)
    return measured_rate, is_variable_rate


def _nearest_standard_rate(rate: Fraction) -> Fraction:
    """The nearest standard rate if it is within 0.2 % of `rate`; otherwise `rate` with a denominator up to 1001."""
    if rate.denominator in (1, 1001):
        return rate
    nearest = min(STANDARD_FRAME_RATES, key=lambda known: abs(known - rate))
    return nearest if abs(nearest / rate - 1) < Fraction(2, 1000) else rate.limit_denominator(1001)
