"""The part of a source that is rendered: a time range or a number of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from vid2vid_cli.core.errors import ConfigError, NoFramesError
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.media.reader import num_frames_before


@dataclass(frozen=True)
class TimeRange:
    """Seconds from the start of the source, and the maximum number of frames; None means no limit."""

    start: float = 0.0
    end: float | None = None
    max_frames: int | None = None

    def split_by_clip(self, clip_lengths: Sequence[int], fps: Fraction, source_name: str) -> list[FrameRange]:
        """The part of each clip that lies in the range, for consecutive clips; empty parts are omitted.

        `clip_lengths`: frames per clip. Raises ConfigError (end is not after start), NoFramesError (start is after the
        last frame).
        """
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise ConfigError(
                f"The range from {self.start:g} s to {self.end} s is empty.", "Set --start >= 0 and --end > --start."
            )
        start_frame = num_frames_before(Fraction(self.start), fps)
        end_frames = [sum(clip_lengths)]
        if self.end is not None:
            end_frames.append(max(start_frame + 1, num_frames_before(Fraction(self.end), fps)))
        if self.max_frames is not None:
            end_frames.append(start_frame + self.max_frames)
        if start_frame >= end_frames[0]:
            raise NoFramesError(
                f"{source_name} has no frame after {self.start:g} s: its duration is "
                f"{float(end_frames[0] / fps):.2f} s.",
                "Choose an earlier --start.",
            )
        clip_ranges, frame_offset = [], 0
        for clip_index, length in enumerate(clip_lengths):
            first, stop = max(0, start_frame - frame_offset), min(length, min(end_frames) - frame_offset)
            if first < stop:
                clip_ranges.append(FrameRange(clip_index, first, stop))
            frame_offset += length
        return clip_ranges
