"""How one clip differs from the next: where it looks, how far apart its frames are, and on which side it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from vid2vid_cli.core.geometry import View
from vid2vid_cli.data.dataset import Span


class Take(NamedTuple):
    """Which frames a clip is made of, and how they are seen."""

    view: View
    """Of the frames as they are stored."""
    span: Span
    step: int = 1
    """Every so many frames of the span one is taken, its first and its last among them."""
    mirrored: bool = False

    @property
    def frames(self) -> range:
        """Their numbers in the clip."""
        return range(self.span.first, self.span.last, self.step)


@dataclass(frozen=True)
class Variation:
    """What is drawn once for every clip; by default each is as it is."""

    shift: float = 0.0
    """Largest shift, as a part of the picture's sides."""
    zoom: float = 0.0
    """Largest change of scale about the picture's centre."""
    crop: tuple[int, int] | None = None
    """(height, width) of a picture of any part of the frames; None: of that which the view shows."""
    scale: tuple[float, float] = (1.0, 1.0)
    """How much larger than just fits the frames are drawn for `crop`."""
    frame_step: int = 1
    """Largest distance of a clip's frames from each other."""
    flip: float = 0.0
    """How likely a clip is mirrored."""

    # What is switched off draws nothing, so that a setting that comes new changes no clip of older runs.

    def take(self, run: Span, length: int, view: View, frame: tuple[int, int], random: np.random.Generator) -> Take:
        """A clip of `length` frames from a run that is at least as long, of frames of (height, width)."""
        step = self._step(run, length, random)
        reach = (length - 1) * step + 1
        first = run.first + int(random.integers(run.frames - reach + 1))
        seen = self._moved(view if self.crop is None else self._part(self.crop, frame, random), random)
        return Take(seen, Span(run.clip, first, first + reach), step, bool(self.flip and random.random() < self.flip))

    def _step(self, run: Span, length: int, random: np.random.Generator) -> int:
        """Uniform from 1 to as many as are wanted, or as fit."""
        if self.frame_step == 1 or length < 2:
            return 1
        return 1 + int(random.integers(min(self.frame_step, (run.frames - 1) // (length - 1))))

    def _part(self, picture: tuple[int, int], frame: tuple[int, int], random: np.random.Generator) -> View:
        """A box of the picture's shape anywhere in the frame, `scale` times smaller than the largest that fits."""
        (height, width), aspect = frame, picture[1] / picture[0]
        tall = min(height, width / aspect) / random.uniform(*self.scale)
        slack = max(width - tall * aspect, 0.0), max(height - tall, 0.0)
        left, top = (random.uniform(0, 1, 2) * slack).tolist()
        times = picture[0] / tall
        whole = round(height * times), round(width * times)
        return replace(View.of_box((left, top, left + tall * aspect, top + tall), *picture), part_of=whole)

    def _moved(self, view: View, random: np.random.Generator) -> View:
        """A view with a random zoom about its centre and a random shift."""
        scale = 1.0 + random.uniform(-self.zoom, self.zoom)
        shift = random.uniform(-self.shift, self.shift, 2) * (view.width, view.height)
        centre = np.array([view.width - 1, view.height - 1]) / 2
        offset = centre * (1 - scale) + shift
        return view.then(np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]]))


AS_IT_IS = Variation()
"""Nothing varies."""
