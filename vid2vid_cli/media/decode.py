"""Decoding of all frames of a video file with their presentation times, tolerant of damaged files."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vid2vid_cli.media.container import frame_time, has_timestamps, open_video
from vid2vid_cli.media.packet_times import read_packet_times
from vid2vid_cli.media.probe import Probe

WarningHandler = Callable[[str], None]

# Formats that store the duration in the header: a file that ends earlier is truncated.
FORMATS_WITH_DURATION = ("mov", "matroska", "avi")

# Seconds by which a complete file may end before the duration in its header.
MAX_MISSING_SECONDS = Fraction(1, 2)

# Seeking saves nothing for start times below this.
MIN_SEEK_SECONDS = 2


class TimedFrame(NamedTuple):
    """A decoded frame and its presentation interval, in seconds after the first frame."""

    start_seconds: Fraction
    end_seconds: Fraction
    frame: VideoFrame


def decode_frames(
    path: Path, probe: Probe, *, start: Fraction, warn: WarningHandler
) -> Generator[TimedFrame, None, None]:
    """Yield the frames of a video in presentation order, beginning with the one shown at `start` or an earlier one.

    Damaged packets are skipped and reported to `warn` in one message. Closing the generator closes the file.
    """
    if start > MIN_SEEK_SECONDS:
        frames = _decode_timed_frames(path, probe, start=start, warn=warn)
        first_frame = next(frames, None)
        if first_frame is not None and first_frame.start_seconds <= start:
            yield first_frame
            yield from frames
            return
        frames.close()  # the index of the file is wrong: decode from the start
    yield from _decode_timed_frames(path, probe, start=Fraction(0), warn=warn)


def pair_with_end_time(timed_frames: Iterator[TimedFrame]) -> Iterator[tuple[TimedFrame, Fraction]]:
    """Pair each frame with the start time of the next one; the last one with its own end time."""
    previous: TimedFrame | None = None
    for timed_frame in timed_frames:
        if previous is not None:
            yield previous, timed_frame.start_seconds
        previous = timed_frame
    if previous is not None:
        yield previous, previous.end_seconds


def keyframe_times(path: Path, probe: Probe) -> list[Fraction]:
    """Times of the keyframes of a video in seconds after the first frame, without decoding; [] without time stamps."""
    times: list[Fraction] = []
    with open_video(path) as (container, stream), suppress(FFmpegError):
        if has_timestamps(container):
            for packet in container.demux(stream):
                if packet.is_keyframe and packet.pts is not None and packet.time_base:
                    times.append(packet.pts * packet.time_base - probe.start_time)
    return sorted(times)


def picture_times(path: Path, probe: Probe) -> tuple[Fraction, ...]:
    """Times of the stored pictures of a variable-rate video in seconds after the first one, without decoding.

    () for other sources, whose pictures are the frames of the grid, and for files without time stamps.
    """
    if probe.kind in ("image", "images") or not probe.is_variable_rate:
        return ()
    with open_video(path) as (container, stream):
        if not has_timestamps(container):
            return ()
        packet_times = read_packet_times(container, stream)
    seconds = (int(tick) * packet_times.time_base - probe.start_time for tick in packet_times.ticks)
    return tuple(dict.fromkeys(time for time in seconds if time >= 0))


def _decode_timed_frames(
    path: Path, probe: Probe, *, start: Fraction, warn: WarningHandler
) -> Generator[TimedFrame, None, None]:
    frame_period = 1 / probe.fps
    time_shift, previous_start = Fraction(0), None
    with open_video(path) as (container, stream):
        stream.thread_type = "AUTO"
        first_time = probe.start_time if has_timestamps(container) else None
        if start > 0 and stream.time_base and first_time is not None:
            container.seek(int((first_time + start) / stream.time_base), stream=stream, backward=True)
        for frame in _decode_packets(path, container, stream, warn):
            time = frame_time(container, frame)
            first_time = time if first_time is None else first_time
            if time is None or first_time is None:
                start_seconds = Fraction(0) if previous_start is None else previous_start + frame_period
            else:
                start_seconds = time - first_time + time_shift
            if previous_start is not None and not -frame_period <= start_seconds - previous_start <= probe.duration + 1:
                # Concatenated recordings: continue one frame period after the last frame.
                warn("The time stamps of the video are discontinuous. The jumps are removed; audio may be out of sync.")
                time_shift += previous_start + frame_period - start_seconds
                start_seconds = previous_start + frame_period
            previous_start = start_seconds
            yield TimedFrame(
                start_seconds, start_seconds + _frame_duration(frame, start_seconds, probe, frame_period), frame
            )


def _frame_duration(frame: VideoFrame, start_seconds: Fraction, probe: Probe, frame_period: Fraction) -> Fraction:
    """Duration of a frame that is the last one: its stored duration, limited to the end of the video."""
    ticks = getattr(frame, "duration", 0) or 0
    stored_duration = ticks * frame.time_base if ticks and frame.time_base else frame_period
    return min(stored_duration, max(frame_period, Fraction(probe.duration) - start_seconds))


def _decode_packets(
    path: Path, container: InputContainer, stream: VideoStream, warn: WarningHandler
) -> Generator[VideoFrame, None, None]:
    packets = container.demux()
    last_end, num_damaged, has_demux_error = Fraction(0), 0, False
    aspect_ratios: set[Fraction | None] = set()
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except FFmpegError:
            has_demux_error = True
            break
        if packet.pts is not None and packet.time_base:
            last_end = max(last_end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        if packet.stream_index != stream.index or not packet.size:
            continue
        try:
            if packet.is_corrupt:
                num_damaged += 1
            else:
                for frame in stream.codec_context.decode(packet):
                    aspect_ratios.add(stream.codec_context.sample_aspect_ratio)
                    yield frame
        except FFmpegError:
            num_damaged += 1
    for frame in stream.codec_context.decode(None):  # flush the decoder; PyAV sets no time base on these frames
        frame.time_base = frame.time_base or stream.time_base
        yield frame
    if len(aspect_ratios) > 1:
        warn("The pixel aspect ratio of the video changes; the first one is used, so that other parts are distorted.")
    missing_seconds = _missing_seconds(container, last_end)
    if has_demux_error or missing_seconds > MAX_MISSING_SECONDS:
        warn(f"{path} is truncated: about {float(max(missing_seconds, Fraction(0))):.1f} s at its end are missing.")
    elif num_damaged:
        warn(f"{path} is damaged: {num_damaged} packets could not be decoded and were skipped.")


def _missing_seconds(container: InputContainer, last_end: Fraction) -> Fraction:
    """Seconds between the end of the last packet and the duration in the header."""
    if container.duration is None or not container.format.name.startswith(FORMATS_WITH_DURATION):
        return Fraction(0)
    return Fraction(container.duration + (container.start_time or 0), 1_000_000) - last_end
