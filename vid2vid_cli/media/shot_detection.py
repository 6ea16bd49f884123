"""Where one shot ends and the next begins, told from the past alone, so that it works on a stream.

A frame begins a new shot where its thumbnail differs from the one before more than a shot's own motion explains:
the limit follows the strongest change of late, so that a van that passes close by is no cut and a quiet shot gives
even a small one away. Panning and changes of light are taken out of the difference first.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Thumb = NDArray[np.uint8]

SIDE = 32
"""Of a thumbnail, in pixels."""
BORDER = 7
"""Thumbnail pixels by which a pan may move the picture from one frame to the next: a fifth of its side."""
SMALL = 6.0
"""A change below this needs no second look."""
FLOOR = 8.0
MARGIN = 1.5
"""A cut is a change above FLOOR + MARGIN x the strongest change of late."""
DECAY = 0.95
"""Per frame, of the memory of strong changes."""
CAUTION, CAUTION_DECAY = 14.0, 0.92
"""What is taken for the strongest change while a shot is too young to be known."""
BLANK, VISIBLE, CLEAR = 3.0, 5.0, 10.0
"""Standard deviations, of the channel with the largest: where a shot has been clear, a frame below the first shows
nothing (a white flash, black between two shots), and so do those after it until the second is reached again."""
ALIKE = 0.4
"""Correlation above which what appears after blank frames is the shot that was there before."""
FLASH = 3
"""Frames after which something that was lit by a flash, or hidden, may come back as the same shot."""
SAME = 0.3
"""Part of a picture's variance that may be left unexplained where only the light has changed."""
NOISE = 2.0
"""Grey levels that are always left."""


class CutDetector:
    """Fed every frame of a video in order; says of each whether a new shot begins with it.

    Constant memory. Where frames are blank (a flash to white, a fade to black), the frame that shows something again
    decides: a cut if it is another scene. A flash that leaves something to see is at most one cut, because the shot
    that comes back after it is known. Dissolves are not seen.
    """

    def __init__(self) -> None:
        self._seen: Thumb | None = None
        self._left: Thumb | None = None
        """The last frame of the shot before this one."""
        self._age = 0
        """Frames since the last cut."""
        self._blank, self._clearest = False, 0.0
        self._strongest, self._caution = 0.0, CAUTION

    def __call__(self, frame: NDArray[np.uint8]) -> bool:
        """Whether `frame`, (h, w, 3) uint8 RGB of any size, begins a new shot; never the first frame."""
        thumb = thumbnail(frame)
        before = self._seen
        if before is None:
            self._seen = thumb
            return False
        contrast = float(cv2.meanStdDev(thumb)[1].max())
        if self._clearest >= CLEAR and contrast < (VISIBLE if self._blank else BLANK):
            self._blank = True
            return False
        self._seen, self._clearest = thumb, max(self._clearest, contrast)
        self._age += 1
        self._caution *= CAUTION_DECAY
        self._strongest *= DECAY
        if self._is_cut(before, thumb):
            self._left, self._age, self._caution, self._clearest = before, 0, CAUTION, contrast
            return True
        return False

    def _is_cut(self, before: Thumb, thumb: Thumb) -> bool:
        if self._blank:
            self._blank = False
            return _correlation(before, thumb) < ALIKE
        limit = FLOOR + MARGIN * max(self._strongest, self._caution)
        size = change(before, thumb, limit)
        if size <= limit:
            self._strongest = max(self._strongest, size)
            return False
        if self._left is not None and self._age <= FLASH and change(self._left, thumb, limit) <= limit:
            self._left = None
            return False
        return True


def thumbnail(frame: NDArray[np.uint8]) -> Thumb:
    """(SIDE, SIDE, 3) uint8, each pixel the mean over a grid of samples: fast whatever the size of the frame."""
    samples = cv2.resize(frame, (4 * SIDE, 4 * SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(samples, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def change(before: Thumb, now: Thumb, enough: float) -> float:
    """How different two thumbnails are, in grey levels: the least of as they are, panned, and in the same light.

    What is not above `enough` is not looked at further.
    """
    plain = _difference(before, now)
    if plain < SMALL:
        return plain
    least = min(plain, _difference(*_aligned(before, now)))
    if least <= enough:
        return least
    lit = [_difference(target, same) for target, same in _relit(before, now)]
    # Half as different in the same light: then light it was, and not chance.
    return min(least, *lit) if lit and min(lit) < plain / 2 else least


def _correlation(one: Thumb, other: Thumb) -> float:
    """Of the pixels, whatever their colour, brightness and contrast on the whole, -1 to 1."""
    first, second = (image.astype(np.float32) - image.mean(axis=(0, 1)) for image in (one, other))
    return float((first * second).mean() / (first.std() * second.std() + 1e-6))


def _difference(one: Thumb, other: Thumb) -> float:
    """Mean absolute difference.

    Nothing of palettes: on real footage a histogram, of hard or soft bins, added false cuts and found no further ones.
    """
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size


def _aligned(before: Thumb, now: Thumb) -> tuple[Thumb, Thumb]:
    """What both show of the same scene if the camera only panned."""
    grey = [np.asarray(cv2.cvtColor(thumb, cv2.COLOR_RGB2GRAY)) for thumb in (before, now)]
    core = np.ascontiguousarray(grey[1][BORDER:-BORDER, BORDER:-BORDER])
    _, _, (x, y), _ = cv2.minMaxLoc(cv2.matchTemplate(grey[0], core, cv2.TM_SQDIFF))
    down, right = y - BORDER, x - BORDER
    height, width = SIDE - abs(down), SIDE - abs(right)
    top, left = max(down, 0), max(right, 0)
    above, beside = max(-down, 0), max(-right, 0)
    first = before[top : top + height, left : left + width]
    second = now[above : above + height, beside : beside + width]
    return np.ascontiguousarray(first), np.ascontiguousarray(second)


def _relit(before: Thumb, now: Thumb) -> list[tuple[Thumb, Thumb]]:
    """Each of the two beside the other in its light, where gain and offset per channel explain the change."""
    return [
        (target, lit)
        for target, source in ((before, now), (now, before))
        if (lit := _in_light_of(target, source)) is not None
    ]


def _in_light_of(target: Thumb, source: Thumb) -> Thumb | None:
    """`source` with the gain and offset per channel that bring it nearest to `target`; None where that is far.

    Fitted on the pixels that are neither black nor burnt out in either, which must be some.
    """
    wanted, given = (image.reshape(-1, 3).astype(np.float32) for image in (target, source))
    both = np.concatenate([wanted, given], axis=1)
    usable = ((both > 3) & (both < 252)).all(axis=1)
    if usable.mean() < 0.15:
        return None
    x, y = given[usable], wanted[usable]
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    gain = (x * y).sum(axis=0) / ((x * x).sum(axis=0) + 100)
    left = float(np.square(y - gain * x).mean())
    if left > max(SAME * float(np.square(y).mean()), NOISE**2):
        return None
    lit = (source - x_mean) * gain + y_mean
    result: Thumb = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    return result
