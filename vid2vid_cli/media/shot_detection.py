"""Streaming shot boundary detection from current and past frames.

A frame starts a new shot if its thumbnail differs from the previous one by more than the motion within the shot
explains. The threshold follows the largest recent change: a van that passes close to the camera is not a cut, and a
small change in a static shot is one. Differences from panning and lighting are removed first.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Thumbnail = NDArray[np.uint8]

THUMBNAIL_SIZE = 32
"""Side of a thumbnail in pixels."""
MAX_PAN_PX = 7
"""Largest pan between two frames in thumbnail pixels: a fifth of the side."""
MIN_CHANGE = 6.0
"""Changes below this number of grey levels are not examined further."""
BASE_CUT_THRESHOLD = 8.0
CUT_THRESHOLD_FACTOR = 1.5
"""A cut is a change above BASE_CUT_THRESHOLD + CUT_THRESHOLD_FACTOR x the largest recent change."""
MAX_CHANGE_DECAY = 0.95
"""Decay per frame of the largest recent change."""
INITIAL_MAX_CHANGE, INITIAL_MAX_CHANGE_DECAY = 14.0, 0.92
"""Assumed largest change at the start of a shot, and its decay per frame."""
BLANK_STD, VISIBLE_STD, CLEAR_STD = 3.0, 5.0, 10.0
"""Thresholds on the largest standard deviation of the channels. In a shot that has reached CLEAR_STD, a frame below
BLANK_STD is blank (a white flash, black between two shots), and so are the following ones up to VISIBLE_STD."""
MIN_SAME_SHOT_CORRELATION = 0.4
"""Correlation above which the frame after blank ones belongs to the shot before them."""
MAX_FLASH_FRAMES = 3
"""Number of frames within which the previous shot may return after a flash or an occlusion."""
MAX_RESIDUAL_VARIANCE_SHARE = 0.3
"""Largest share of an image's variance that a change of lighting may leave unexplained."""
NOISE_GREY_LEVELS = 2.0
"""Residual standard deviation in grey levels that noise always leaves."""


class CutDetector:
    """Detects shot boundaries. Call it with every frame of a video in order; memory is constant.

    After blank frames (a flash to white, a fade to black), the first visible frame is a cut if it shows another scene.
    A partial flash causes at most one cut, because the shot that returns after it is recognised. Dissolves are not
    detected.
    """

    def __init__(self) -> None:
        self._previous: Thumbnail | None = None
        self._previous_shot_end: Thumbnail | None = None
        self._frames_since_cut = 0
        self._is_blank, self._max_contrast = False, 0.0
        self._max_change, self._initial_max_change = 0.0, INITIAL_MAX_CHANGE

    def __call__(self, frame: NDArray[np.uint8]) -> bool:
        """Whether `frame`, (h, w, 3) uint8 RGB of any size, starts a new shot; False for the first frame."""
        current = thumbnail(frame)
        previous = self._previous
        if previous is None:
            self._previous = current
            return False
        contrast = float(cv2.meanStdDev(current)[1].max())
        if self._max_contrast >= CLEAR_STD and contrast < (VISIBLE_STD if self._is_blank else BLANK_STD):
            self._is_blank = True
            return False
        self._previous, self._max_contrast = current, max(self._max_contrast, contrast)
        self._frames_since_cut += 1
        self._initial_max_change *= INITIAL_MAX_CHANGE_DECAY
        self._max_change *= MAX_CHANGE_DECAY
        if self._is_cut(previous, current):
            self._previous_shot_end, self._frames_since_cut = previous, 0
            self._initial_max_change, self._max_contrast = INITIAL_MAX_CHANGE, contrast
            return True
        return False

    def _is_cut(self, previous: Thumbnail, current: Thumbnail) -> bool:
        if self._is_blank:
            self._is_blank = False
            return _correlation(previous, current) < MIN_SAME_SHOT_CORRELATION
        threshold = BASE_CUT_THRESHOLD + CUT_THRESHOLD_FACTOR * max(self._max_change, self._initial_max_change)
        change_size = thumbnail_change(previous, current, threshold)
        if change_size <= threshold:
            self._max_change = max(self._max_change, change_size)
            return False
        if (
            self._previous_shot_end is not None
            and self._frames_since_cut <= MAX_FLASH_FRAMES
            and thumbnail_change(self._previous_shot_end, current, threshold) <= threshold
        ):
            self._previous_shot_end = None
            return False
        return True


def thumbnail(frame: NDArray[np.uint8]) -> Thumbnail:
    """Downscale to (THUMBNAIL_SIZE, THUMBNAIL_SIZE, 3) uint8 from a fixed grid of samples, for constant run time."""
    samples = cv2.resize(frame, (4 * THUMBNAIL_SIZE, 4 * THUMBNAIL_SIZE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(
        cv2.resize(samples, (THUMBNAIL_SIZE, THUMBNAIL_SIZE), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )


def thumbnail_change(previous: Thumbnail, current: Thumbnail, threshold: float) -> float:
    """Smallest difference of two thumbnails in grey levels: unchanged, aligned for panning, or relit.

    Later comparisons are skipped once the difference is at most `threshold`.
    """
    raw_change = _mean_absolute_difference(previous, current)
    if raw_change < MIN_CHANGE:
        return raw_change
    min_change = min(raw_change, _mean_absolute_difference(*_align_pan(previous, current)))
    if min_change <= threshold:
        return min_change
    relit_changes = [_mean_absolute_difference(target, same) for target, same in _relight_pairs(previous, current)]
    # Accept the lighting explanation only if it halves the difference; less can be chance.
    return min(min_change, *relit_changes) if relit_changes and min(relit_changes) < raw_change / 2 else min_change


def _correlation(thumbnail_a: Thumbnail, thumbnail_b: Thumbnail) -> float:
    """Pixel correlation, -1 to 1, independent of mean colour, brightness and contrast."""
    first, second = (image.astype(np.float32) - image.mean(axis=(0, 1)) for image in (thumbnail_a, thumbnail_b))
    return float((first * second).mean() / (first.std() * second.std() + 1e-6))


def _mean_absolute_difference(thumbnail_a: Thumbnail, thumbnail_b: Thumbnail) -> float:
    """Mean absolute difference in grey levels. On real footage, histograms added false cuts and found no others."""
    return float(cv2.norm(thumbnail_a, thumbnail_b, cv2.NORM_L1)) / thumbnail_a.size


def _align_pan(previous: Thumbnail, current: Thumbnail) -> tuple[Thumbnail, Thumbnail]:
    """The overlapping crops of both thumbnails under the best translation."""
    grey_images = [np.asarray(cv2.cvtColor(thumb, cv2.COLOR_RGB2GRAY)) for thumb in (previous, current)]
    template = np.ascontiguousarray(grey_images[1][MAX_PAN_PX:-MAX_PAN_PX, MAX_PAN_PX:-MAX_PAN_PX])
    _, _, (x, y), _ = cv2.minMaxLoc(cv2.matchTemplate(grey_images[0], template, cv2.TM_SQDIFF))
    shift_y, shift_x = y - MAX_PAN_PX, x - MAX_PAN_PX
    height, width = THUMBNAIL_SIZE - abs(shift_y), THUMBNAIL_SIZE - abs(shift_x)
    previous_top, previous_left = max(shift_y, 0), max(shift_x, 0)
    current_top, current_left = max(-shift_y, 0), max(-shift_x, 0)
    previous_crop = previous[previous_top : previous_top + height, previous_left : previous_left + width]
    current_crop = current[current_top : current_top + height, current_left : current_left + width]
    return np.ascontiguousarray(previous_crop), np.ascontiguousarray(current_crop)


def _relight_pairs(previous: Thumbnail, current: Thumbnail) -> list[tuple[Thumbnail, Thumbnail]]:
    """Each thumbnail with the other one relit to match it, if gain and offset per channel explain the change."""
    return [
        (target, lit)
        for target, source in ((previous, current), (current, previous))
        if (lit := _relight(target, source)) is not None
    ]


def _relight(target: Thumbnail, source: Thumbnail) -> Thumbnail | None:
    """`source` with the gain and offset per channel that fit `target` best; None if the fit is poor.

    The fit uses the pixels that are neither black nor saturated in both images; None if these are below 15 %.
    """
    target_pixels, source_pixels = (image.reshape(-1, 3).astype(np.float32) for image in (target, source))
    pixel_pairs = np.concatenate([target_pixels, source_pixels], axis=1)
    is_usable = ((pixel_pairs > 3) & (pixel_pairs < 252)).all(axis=1)
    if is_usable.mean() < 0.15:
        return None
    x, y = source_pixels[is_usable], target_pixels[is_usable]
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    gain = (x * y).sum(axis=0) / ((x * x).sum(axis=0) + 100)
    residual_variance = float(np.square(y - gain * x).mean())
    if residual_variance > max(MAX_RESIDUAL_VARIANCE_SHARE * float(np.square(y).mean()), NOISE_GREY_LEVELS**2):
        return None
    relit = (source - x_mean) * gain + y_mean
    result: Thumbnail = np.clip(np.rint(relit), 0, 255).astype(np.uint8)
    return result
