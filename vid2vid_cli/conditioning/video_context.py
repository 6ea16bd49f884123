"""The video and frame range of a call of `annotate`, for conditioners that read files which belong to a video."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction
from pathlib import Path

from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.packet_times import TIMESTAMP_TOLERANCE


@dataclass(frozen=True)
class VideoContext:
    """A video and the sampling of the frames that `annotate` receives."""

    path: Path
    """The video file or image folder."""
    height: int
    width: int
    """Size of the full video frame, after rotation and with square pixels."""
    _: KW_ONLY
    num_frames: int | None
    """Number of frames of the whole video at `fps`; None if unknown."""
    fps: Fraction
    """Frame rate of the video."""
    view: View
    """Transform from pixels of the full video frame to pixels of the frames that `annotate` receives."""
    sampled_fps: Fraction
    """Frame rate of the frames that `annotate` receives."""
    start_seconds: float = 0.0
    """Time in the video of the sampled frame with index 0."""
    first_index: int = 0
    """Index of the first sampled frame that `annotate` receives; above 0 when an interrupted `prepare` resumes."""
    frame_indices: tuple[int, ...] | None = None
    """Index of each frame that `annotate` receives, at `sampled_fps`, if the frames are not consecutive."""
    frame_files: tuple[Path, ...] = ()
    """The files of a folder, one per frame of the whole video; () for a video file."""
    picture_times: tuple[Fraction, ...] = ()
    """Times of the stored pictures of a variable-rate video in seconds; () if these are the frames at `fps`."""
    notices: list[str] = field(default_factory=list, compare=False)
    """Sentences for the user about the video, or the files that `annotate` reads; they are shown at its end."""

    def source_frame_index(self, index: int) -> int:
        """Return the index of the video frame for the `index`-th frame that `annotate` receives (both from 0)."""
        return math.floor(self._seconds(index) * self.fps)

    def stored_picture_index(self, index: int) -> int:
        """As `source_frame_index`, but counts the stored pictures of a variable-rate video."""
        if not self.picture_times:
            return self.source_frame_index(index)
        return max(0, bisect_right(self.picture_times, self._seconds(index)) - 1)

    def _seconds(self, index: int) -> Fraction:
        """Latest start time of the video frame that is shown at the `index`-th frame."""
        sampled_index = self.first_index + index if self.frame_indices is None else self.frame_indices[index]
        # Same rule as `VideoReader`: the last frame that starts at or before this time, within a tolerance.
        seconds = Fraction(self.start_seconds).limit_denominator(10**6) + sampled_index / self.sampled_fps
        return seconds + TIMESTAMP_TOLERANCE / max(self.fps, self.sampled_fps)
