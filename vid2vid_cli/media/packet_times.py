"""Time stamps of all packets of a video, read without decoding, and the frame rate measured on them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vid2vid_cli.core.errors import NotAVideoError
from vid2vid_cli.media.container import has_timestamps

Ticks = NDArray[np.int64]

DEFAULT_FPS = Fraction(25)

# A stored rate within 0.2 % of a standard rate is that rate: clocks of 1 ms and averages cause the difference.
NTSC_FACTOR = Fraction(1000, 1001)
INTEGER_FRAME_RATES = [
    Fraction(n) for n in (5, 6, 8, 10, 12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)
]
STANDARD_FRAME_RATES = INTEGER_FRAME_RATES + [rate * NTSC_FACTOR for rate in (24, 30, 48, 60, 120)]
MAX_STANDARD_RATE_ERROR = Fraction(2, 1000)
MAX_RATE_DENOMINATOR = 1001

# Stands for unknown decoding times before the first known one.
UNKNOWN_TICK = -(1 << 62)

# Measured rates above this come from damaged time stamps.
MAX_MEASURED_FPS = 240

# Fraction of a frame by which time stamps may deviate (Matroska rounds to 1 ms) without losing or repeating a frame.
# Below one half, so that a grid time halfway between two frames, as with 20 fps from 30 fps, selects one side.
TIMESTAMP_TOLERANCE = Fraction(9, 20)


# A video of more frames than both limits allow has a gap that is no part of it, such as a clock that was set.
MAX_REPEATED_FRAMES = 100_000
MAX_FRAMES_PER_PICTURE = 100


@dataclass(frozen=True)
class PacketTimes:
    """Presentation times of the pictures of a video in presentation order, in ticks of `time_base` seconds.

    Where the decoding times jump backwards, as in concatenated recordings, the times continue without the jump.
    """

    ticks: Ticks
    time_base: Fraction
    last_duration: Fraction
    """Stored duration of the last picture in seconds; 0 if the file does not store it."""
    is_complete: bool
    """Whether the packets were read to the end of the file without an error."""

    @property
    def num_pictures(self) -> int:
        """Number of pictures with a time."""
        return len(self.ticks)

    @property
    def span(self) -> Fraction:
        """Seconds from the first to the last picture."""
        return int(self.ticks[-1] - self.ticks[0]) * self.time_base if len(self.ticks) else Fraction(0)


def read_packet_times(container: InputContainer, stream: VideoStream) -> PacketTimes:
    """Read the packets of the whole file. Errors end the reading; `is_complete` is then False."""
    container.seek(0)
    presentation_ticks: list[int] = []
    decoding_ticks: list[int] = []
    durations: list[int] = []
    last_decoding_tick = UNKNOWN_TICK
    is_complete = False
    with suppress(FFmpegError):
        for packet in container.demux(stream):
            is_complete = packet.size == 0  # the empty packet that closes the stream
            ticks = packet.pts if has_timestamps(container) else packet.dts
            if ticks is not None:
                presentation_ticks.append(ticks)
                last_decoding_tick = last_decoding_tick if packet.dts is None else packet.dts
                decoding_ticks.append(last_decoding_tick)
                durations.append(packet.duration or 0)
    time_base = stream.time_base or Fraction(1, 1000)
    times = np.array(presentation_ticks, dtype=np.int64)
    last_duration = durations[int(times.argmax())] if len(times) else 0
    ordered_times = _order_ticks(times, np.array(decoding_ticks, dtype=np.int64))
    return PacketTimes(ordered_times, time_base, last_duration * time_base, is_complete)


def _order_ticks(presentation_ticks: Ticks, decoding_ticks: Ticks) -> Ticks:
    """Sort the times of each recording; a recording begins where the decoding times decrease.

    Later recordings are shifted to begin one median interval after the end of the one before.
    """
    starts = np.flatnonzero(decoding_ticks[1:] < decoding_ticks[:-1]) + 1
    recordings = [np.sort(ticks) for ticks in np.split(presentation_ticks, starts)]
    if len(recordings) == 1:
        return recordings[0]
    intervals = np.concatenate([np.diff(ticks) for ticks in recordings])
    median_interval = int(np.median(intervals)) if len(intervals) else 0
    ordered = [recordings[0]]
    for ticks in recordings[1:]:
        ordered.append(ticks - ticks[0] + ordered[-1][-1] + median_interval)
    return np.concatenate(ordered)


def measure_frame_rate(stream: VideoStream, packet_times: PacketTimes) -> tuple[Fraction, bool]:
    """(rate, is_variable): the typical frame rate, and whether pictures deviate from it by more than the clock's step.

    The typical rate is that of the median interval. It is the exact rate if the whole file keeps it, or keeps the
    stored average rate or the mean rate.
    """
    average_rate = stream.average_rate or stream.guessed_rate
    intervals = np.diff(packet_times.ticks)
    intervals = intervals[intervals > 0]
    if len(intervals) < 2:
        return nearest_standard_rate(average_rate or DEFAULT_FPS), False
    median_interval = float(np.median(intervals))
    # The mean of the intervals near the median removes the rounding of a 1 ms clock: 33, 33, 34 -> 1/30.
    typical_intervals = intervals[np.abs(intervals - median_interval) <= median_interval / 5]
    if not len(typical_intervals):  # the median of two values lies far from both
        typical_intervals = intervals
    typical_seconds = int(typical_intervals.sum()) * packet_times.time_base
    typical_rate = nearest_standard_rate(len(typical_intervals) / typical_seconds)
    if typical_rate > MAX_MEASURED_FPS and average_rate:
        typical_rate = nearest_standard_rate(average_rate)
    mean_rate = ((packet_times.num_pictures - 1) / packet_times.span).limit_denominator(MAX_RATE_DENOMINATOR)
    candidates = [typical_rate, mean_rate]
    if average_rate:
        candidates.insert(0, nearest_standard_rate(average_rate))  # exact, if it agrees with the measured rate
    for rate in candidates:
        if abs(rate / typical_rate - 1) < MAX_STANDARD_RATE_ERROR and _is_constant(packet_times, rate):
            return rate, False
    return typical_rate, True


def _is_constant(packet_times: PacketTimes, rate: Fraction) -> bool:
    """Whether picture i is shown i / rate seconds after the first one, within a quarter of a frame or two ticks."""
    ticks, time_base = packet_times.ticks, packet_times.time_base
    tolerance = max(Fraction(1, 4) / rate, 2 * time_base)
    expected_ticks = np.arange(len(ticks)) * float(1 / (rate * time_base))
    return bool((np.abs(ticks - ticks[0] - expected_ticks) <= float(tolerance / time_base)).all())


def count_unused_pictures(packet_times: PacketTimes, fps: Fraction) -> int:
    """Number of stored pictures that no time k / fps of the grid selects, with the rule of `VideoReader`."""
    ticks = packet_times.ticks
    starts = (ticks - ticks[:1]) * float(packet_times.time_base * fps)  # in frames of the grid
    ends = starts[-1:] + float((packet_times.last_duration or 1 / fps) * fps)
    first_grid_indices = np.ceil(np.concatenate([starts, ends]) - float(TIMESTAMP_TOLERANCE) - 1e-6)
    return int((np.diff(first_grid_indices) <= 0).sum())


def nearest_standard_rate(rate: Fraction) -> Fraction:
    """The nearest standard rate if it is within 0.2 % of `rate`; otherwise `rate` with a small denominator."""
    if rate.denominator in (1, MAX_RATE_DENOMINATOR):
        return rate
    nearest = min(STANDARD_FRAME_RATES, key=lambda known: abs(known - rate))
    return (
        nearest if abs(nearest / rate - 1) < MAX_STANDARD_RATE_ERROR else rate.limit_denominator(MAX_RATE_DENOMINATOR)
    )


def check_num_frames(path: Path, num_frames: int, fps: Fraction, num_stored_frames: int) -> None:
    """Raise NotAVideoError if the grid has far more frames than the file has pictures: a gap in the time stamps."""
    if num_frames > max(MAX_REPEATED_FRAMES, MAX_FRAMES_PER_PICTURE * num_stored_frames):
        raise NotAVideoError(
            f"{path} has {num_stored_frames} pictures, and a gap in its time stamps would repeat them as {num_frames} "
            f"frames at {float(fps):g} fps ({float(num_frames / fps / 3600):.1f} hours).",
            "Read the part before the gap with --end, or use a lower --fps.",
        )
