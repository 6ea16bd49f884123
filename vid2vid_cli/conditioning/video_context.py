"""The video and frame range of a call of `annotate`, for conditioners that read files which belong to a video."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from pathlib import Path

from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.probe import TIMESTAMP_TOLERANCE


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

    def source_frame_index(self, index: int) -> int:
        """Return the index of the video frame for the `index`-th frame that `annotate` receives (both from 0)."""
        sampled_index = self.first_index + index if self.frame_indices is None else self.frame_indices[index]
        # Same rule as `VideoReader`: the last frame that starts at or before this time, within a tolerance.
        seconds = Fraction(self.start_seconds).limit_denominator(10**6) + sampled_index / self.sampled_fps
        return math.floor((seconds + TIMESTAMP_TOLERANCE / max(self.fps, self.sampled_fps)) * self.fps)
