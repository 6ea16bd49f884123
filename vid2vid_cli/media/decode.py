"""The pictures of a video file as they are stored, each with the time it is shown, whatever is wrong with the file."""

from __future__ import annotations

from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vid2vid_cli.media.container import has_stamps, open_video, picture_time
from vid2vid_cli.media.probe import Probe

Warn = Callable[[str], None]

# Formats whose header says how long the file is, so that an earlier end means that the rest is missing.
HONEST_ABOUT_LENGTH = ("mov", "matroska", "avi")

# Seconds by which a whole file may end before the length in its header.
SHORT = Fraction(1, 2)

# Nearer to the beginning than this a seek saves nothing.
NEAR = 2


class Shown(NamedTuple):
    """A stored picture, and the seconds after the first picture at which it appears and goes."""

    begin: Fraction
    end: Fraction
    frame: VideoFrame


def stored_pictures(path: Path, known: Probe, start: Fraction, warn: Warn) -> Generator[Shown, None, None]:
    """The pictures of a video in the order they are shown, from the one that is on screen at `start` or earlier.

    What is damaged is passed over and told to `warn`, once, in a sentence. The file closes with the generator.
    """
    if start > NEAR:
        pictures = _timed(path, known, start, warn)
        first = next(pictures, None)
        if first is not None and first.begin <= start:
            yield first
            yield from pictures
            return
        pictures.close()  # the index of the file led us astray
    yield from _timed(path, known, Fraction(0), warn)


def _timed(path: Path, known: Probe, start: Fraction, warn: Warn) -> Generator[Shown, None, None]:
    step = 1 / known.fps
    shift, previous = Fraction(0), None
    with open_video(path) as (container, stream):
        stream.thread_type = "AUTO"
        zero = known.begin if has_stamps(container) else None
        if start > 0 and stream.time_base and zero is not None:
            container.seek(int((zero + start) / stream.time_base), stream=stream, backward=True)
        for frame in _decoded(path, container, stream, warn):
            time = picture_time(container, frame)
            zero = time if zero is None else zero
            if time is None or zero is None:
                begin = Fraction(0) if previous is None else previous + step
            else:
                begin = time - zero + shift
            if previous is not None and not -step <= begin - previous <= known.duration + 1:
                # A clock that jumps (joined recordings): the pictures go on where the last one was.
                warn("The time stamps of the video jump; it is read as if they did not, and sound may be off.")
                shift += previous + step - begin
                begin = previous + step
            previous = begin
            yield Shown(begin, begin + _duration(frame, begin, known, step), frame)


def _duration(frame: VideoFrame, begin: Fraction, known: Probe, step: Fraction) -> Fraction:
    """How long the frame stays if it is the last one: what it says, but not beyond the end of the video."""
    ticks = getattr(frame, "duration", 0) or 0
    said = ticks * frame.time_base if ticks and frame.time_base else step
    return min(said, max(step, Fraction(known.duration) - begin))


def _decoded(
    path: Path, container: InputContainer, stream: VideoStream, warn: Warn
) -> Generator[VideoFrame, None, None]:
    packets = container.demux()
    reached, damaged, broken = Fraction(0), 0, False
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except FFmpegError:
            broken = True
            break
        if packet.pts is not None and packet.time_base:
            reached = max(reached, (packet.pts + (packet.duration or 0)) * packet.time_base)
        if packet.stream_index != stream.index or not packet.size:
            continue
        try:
            if packet.is_corrupt:
                damaged += 1
            else:
                yield from stream.codec_context.decode(packet)
        except FFmpegError:
            damaged += 1
    yield from stream.codec_context.decode(None)  # what the decoder still holds
    missing = _missing(container, reached)
    if broken or missing > SHORT:
        warn(f"{path} is cut off: about {float(max(missing, Fraction(0))):.1f} s at its end are missing.")
    elif damaged:
        warn(f"{path} is damaged: {damaged} of its packets could not be read and were passed over.")


def _missing(container: InputContainer, reached: Fraction) -> Fraction:
    """Seconds between the last packet read and the length that the header promised."""
    if container.duration is None or not container.format.name.startswith(HONEST_ABOUT_LENGTH):
        return Fraction(0)
    return Fraction(container.duration + (container.start_time or 0), 1_000_000) - reached
