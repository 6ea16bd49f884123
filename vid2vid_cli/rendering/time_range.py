"""A stretch of what is to be rendered: from one moment to another, or so many frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from vid2vid_cli.core.errors import ConfigError, NoFramesError
from vid2vid_cli.data.dataset import Span
from vid2vid_cli.media.reader import pictures_before


@dataclass(frozen=True)
class Stretch:
    """Seconds from the beginning, as they are typed; nothing stands for all of it."""

    start: float = 0.0
    end: float | None = None
    max_frames: int | None = None

    def cuts(self, lengths: Sequence[int], fps: Fraction, name: str) -> list[Span]:
        """What lies in it of clips that are shown one after the other, `lengths` frames each; no empty ones.

        Raises ConfigError (the end is not after the start), NoFramesError (there is nothing from the start on).
        """
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise ConfigError(f"There is nothing between {self.start:g} s and {self.end} s.", "Choose end > start.")
        begin = pictures_before(Fraction(self.start), fps)
        ends = [sum(lengths)]
        if self.end is not None:
            ends.append(max(begin + 1, pictures_before(Fraction(self.end), fps)))
        if self.max_frames is not None:
            ends.append(begin + self.max_frames)
        if begin >= ends[0]:
            raise NoFramesError(
                f"{name} holds no frame from {self.start:g} s on: it is {float(ends[0] / fps):.2f} s long.",
                "Choose an earlier start.",
            )
        cuts, before = [], 0
        for clip, length in enumerate(lengths):
            first, last = max(0, begin - before), min(length, min(ends) - before)
            if first < last:
                cuts.append(Span(clip, first, last))
            before += length
        return cuts
