"""What a video is, without reading all of it: size, rate, length, and whether it has sound."""

from __future__ import annotations

import re
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
from vid2vid_cli.media.colour import colours_of
from vid2vid_cli.media.container import (
    CUT_OFF,
    NO_FRAME,
    PLAYABLE,
    codec_name,
    first_picture_time,
    has_stamps,
    is_lossless,
    open_video,
)
from vid2vid_cli.media.images import load_picture
from vid2vid_cli.media.os_errors import reading_failed

Stamp = tuple[Fraction, Fraction]  # shown at, and for how long, seconds
Kind = Literal["video", "images", "image", "gif"]

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
LOSSY_PICTURES = {".jpg", ".jpeg"}
PICTURE_FPS = Fraction(25)

# Rates that cameras and encoders mean when they write something within 0.2 % of them (1 ms clocks, averages).
NTSC = Fraction(1000, 1001)
EXACT_RATES = [Fraction(n) for n in (5, 6, 8, 10, 12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)]
RATES = EXACT_RATES + [rate * NTSC for rate in (24, 30, 48, 60, 120)]

# Time stamps may be off by this part of a frame either way (Matroska rounds to 1 ms) without a frame lost or
# doubled. Below one half, so that a grid that falls between two frames, as 20 in 30 fps does, takes one side.
TOLERANCE = Fraction(9, 20)

# Packets looked at to judge the rate; further ones say nothing new and cost time.
SAMPLE = 400


@dataclass(frozen=True)
class Probe:
    """A video as `VideoReader` shows it: upright, with square pixels, at the rate of its grid."""

    width: int
    height: int
    fps: Fraction
    frames: int  # on the grid; an estimate where the file does not say
    duration: float  # seconds
    rotation: int  # degrees, as stored: 0, 90, 180, 270
    has_audio: bool
    codec: str
    variable: bool  # the pictures of the file do not come at a constant rate
    colour: str  # "bt709", "bt601 (not tagged)", "rgb" ...
    kind: Kind
    begin: Fraction = Fraction(0)  # time stamp of the first picture, seconds
    lossless: bool = False  # what is stored is what was there

    def to_json(self) -> dict[str, Any]:
        """As plain data; rates are strings such as "30000/1001"."""
        return asdict(self) | {"fps": str(self.fps), "begin": str(self.begin)}


def probe(path: Path) -> Probe:
    """Look at a video file, a picture, or a folder of pictures.

    Raises MissingFileError, NotAVideoError, NoFramesError, TruncatedVideoError, AudioOnlyError,
    PermissionDeniedError.
    """
    if path.is_dir():
        return _probe_pictures(path, picture_files(path), "images")
    if path.suffix.lower() in PICTURES:
        return _probe_pictures(path, [path], "image")
    with open_video(path) as (container, stream):
        return _probe_stream(path, container, stream)


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order people mean: frame2 before frame10. Hidden files do not count."""
    try:
        names = [entry for entry in folder.iterdir() if entry.suffix.lower() in PICTURES and entry.name[0] != "."]
    except OSError as error:
        raise reading_failed(folder, error) from error
    if not names:
        raise NoFramesError(f"The folder {folder} holds no pictures.", PLAYABLE)
    return sorted(names, key=natural)


def upright_size(frame: VideoFrame, aspect: Fraction, quarter_turns: int) -> tuple[int, int]:
    """(height, width) of a stored frame once its pixels are square and it stands upright."""
    width = max(1, round(frame.width * aspect))
    return (width, frame.height) if quarter_turns % 2 else (frame.height, width)


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width over height of one stored pixel; 1 where unknown or absurd."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return aspect if Fraction(1, 10) < aspect < 10 else Fraction(1)


def natural(path: Path) -> list[tuple[int, str]]:
    """Sorting key by which frame9 comes before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _probe_pictures(path: Path, files: list[Path], kind: Kind) -> Probe:
    height, width = load_picture(files[0]).shape[:2]
    codec = files[0].suffix[1:].lower()
    seconds = float(len(files) / PICTURE_FPS)
    exact = not all(file.suffix.lower() in LOSSY_PICTURES for file in files)
    return Probe(width, height, PICTURE_FPS, len(files), seconds, 0, False, codec, False, "rgb", kind, lossless=exact)


def _probe_stream(path: Path, container: InputContainer, stream: VideoStream) -> Probe:
    frame = _first_frame(path, container, stream)
    begin = first_picture_time(container, frame)
    stamps, whole = _sample(container, stream)
    fps, variable = _rate(stream, stamps)
    seconds = float(max(_end(container, stream, stamps, whole, 1 / fps) - begin, 1 / fps))
    rotation = round(frame.rotation / 90) * 90 % 360
    height, width = upright_size(frame, pixel_aspect(stream), rotation // 90)
    colours = colours_of(frame)
    return Probe(
        width=width,
        height=height,
        fps=fps,
        frames=max(1, ceil(seconds * fps - TOLERANCE)),
        duration=seconds,
        rotation=rotation,
        has_audio=bool(container.streams.audio),
        codec=codec_name(stream),
        variable=variable,
        colour=colours.name + (" (not tagged)" if colours.guessed else ""),
        kind="gif" if container.format.name == "gif" else "video",
        begin=begin,
        lossless=is_lossless(stream),
    )


def _first_frame(path: Path, container: InputContainer, stream: VideoStream) -> VideoFrame:
    try:
        for frame in container.decode(stream):
            return frame
    except FFmpegError:
        pass
    if stream.frames or stream.duration or path.stat().st_size > 1 << 20:
        raise TruncatedVideoError(f"{path} is cut off: not one whole picture is left in it.", CUT_OFF)
    raise NoFramesError(f"{path} is a video without a single frame.", NO_FRAME)


def _sample(container: InputContainer, stream: VideoStream) -> tuple[list[Stamp], bool]:
    """When the first packets are shown, in order, and for how long; and whether these are all there are."""
    container.seek(0)
    stamps: list[Stamp] = []
    whole = False
    with suppress(FFmpegError):
        for packet in islice(container.demux(stream), SAMPLE):
            whole = packet.size == 0  # the empty packet that closes the stream
            stamps.extend(_stamp(container, stream, packet))
    stamps.sort()
    # Reordered pictures are missing at the end of a sample: their packets come later.
    return (stamps if whole else stamps[:-32] or stamps), whole


def _stamp(container: InputContainer, stream: VideoStream, packet: Packet[VideoStream]) -> list[Stamp]:
    ticks = packet.pts if has_stamps(container) else packet.dts
    base = stream.time_base
    return [] if ticks is None or base is None else [(ticks * base, (packet.duration or 0) * base)]


def _end(container: InputContainer, stream: VideoStream, stamps: list[Stamp], whole: bool, step: Fraction) -> Fraction:
    """When the last picture goes, seconds of the file's clock: from the last packets, or as the file declares."""
    begin = stamps[0][0] if stamps else Fraction(0)
    declared = None
    if stream.duration is not None and stream.time_base:
        declared = begin + stream.duration * stream.time_base
    elif container.duration is not None:
        declared = begin + Fraction(container.duration, 1_000_000)
    if not whole and declared is not None and stream.time_base:
        tail: list[Stamp] = []
        with suppress(FFmpegError):
            container.seek(int(declared / stream.time_base), stream=stream, backward=True)
            for packet in container.demux(stream):
                tail.extend(_stamp(container, stream, packet))
        # A file cut in its middle has no packets there: it counts as long as it says it was.
        if not tail or (max(tail)[0] < declared - 1 and stream.duration is not None):
            return declared
        stamps = tail
    last, duration = max(stamps, default=(begin, step))
    duration = duration or step
    if stream.duration is not None and declared is not None:
        # Where pictures are reordered, a packet's duration is that of another one.
        duration = min(duration, max(step, declared - last))
    return last + duration


def _rate(stream: VideoStream, stamps: list[Stamp]) -> tuple[Fraction, bool]:
    """The rate of the grid, and whether the pictures leave it by more than the file's clock explains."""
    times = [time for time, _ in stamps]
    average = stream.average_rate or stream.guessed_rate
    steps = [late - early for early, late in pairwise(times) if late > early]
    if len(steps) < 2:
        return _known(average or stream.guessed_rate or PICTURE_FPS), False
    usual = statistics.median(steps)
    # The mean over steps near the median undoes the rounding of a 1 ms clock: 33, 33, 34 -> 1/30.
    near = [step for step in steps if abs(step - usual) <= usual / 5]
    measured = _known(len(near) / sum(near, Fraction(0)))
    if measured > 240 and average:
        measured = _known(average)
    clock = stream.time_base or Fraction(1, 1000)
    tolerance = max(Fraction(1, 4) / measured, 2 * clock)
    variable = any(abs(time - times[0] - i / measured) > tolerance for i, time in enumerate(times))
    if not variable and average and abs(average / measured - 1) < Fraction(1, 500):
        # The file's own exact figure, where it agrees, beats a measurement.
        measured = _known(average)
    return measured, variable


def _known(rate: Fraction) -> Fraction:
    """The customary rate within 0.2 % of a figure, nearest first; else the figure, as a small fraction."""
    if rate.denominator in (1, 1001):
        return rate
    nearest = min(RATES, key=lambda known: abs(known - rate))
    if abs(nearest / rate - 1) < Fraction(2, 1000):
        return nearest
    return rate.limit_denominator(1001)
