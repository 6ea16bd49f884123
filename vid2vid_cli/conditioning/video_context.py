"""What `annotate` is about to see, for conditioners that read files made beside a video."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.probe import TOLERANCE


@dataclass(frozen=True)
class Footage:
    """One video, and which of its frames `annotate` is given."""

    path: Path
    """The video, or the folder of pictures."""
    height: int
    """Of the video's own frames, upright and with square pixels."""
    width: int
    frames: int | None
    """Of the whole video, on its own grid; None where it does not say."""
    fps: Fraction
    """The video's own."""
    view: View
    """From pixels of the video's own frames to pixels of the frames that `annotate` is given."""
    rate: Fraction
    """Of the frames that `annotate` is given."""
    start: float = 0.0
    """Seconds into the video of the frame of index 0."""
    first: int = 0
    """Index of the first frame that `annotate` is given; above 0 where an interrupted `prepare` continues."""

    def number(self, index: int) -> int:
        """Which of the video's own frames is shown by the `index`-th that `annotate` is given (both from 0)."""
        # As `VideoReader` chooses: the last one that begins before, give or take a part of the finer frame.
        time = Fraction(self.start).limit_denominator(10**6) + (self.first + index) / self.rate
        return math.floor((time + TOLERANCE / max(self.fps, self.rate)) * self.fps)
