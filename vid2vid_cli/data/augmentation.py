"""Augmentation per clip: crop, zoom, shift, frame stride and horizontal flip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from vid2vid_cli.core.geometry import View
from vid2vid_cli.data.dataset import FrameRange


class ClipSpec(NamedTuple):
    """The frames of a clip and the view of them."""

    view: View
    """View of the stored frames."""
    frame_range: FrameRange
    frame_stride: int = 1
    """Distance of the clip's frames; the first and the last frame of the range are among them."""
    is_flipped: bool = False
    subject_offset: tuple[float, float] = (0.0, 0.0)
    """Displacement (x, y) of the subject against its background, in widths and heights of the image."""

    @property
    def frame_indices(self) -> range:
        """Indices of the frames in the dataset's clip."""
        return range(self.frame_range.start, self.frame_range.stop, self.frame_stride)


@dataclass(frozen=True)
class ClipAugmentation:
    """Random parameters that are sampled once per clip. The defaults change nothing."""

    max_translate: float = 0.0
    """Largest shift as a fraction of the image's width and height."""
    max_zoom: float = 0.0
    """Largest relative change of the scale, about the image centre."""
    crop_size: tuple[int, int] | None = None
    """(height, width) of a random crop of the frames; None: the given view is used."""
    random_resize: tuple[float, float] = (1.0, 1.0)
    """Range of the scale for `crop_size`; at 1 the crop just fits into the frame."""
    max_frame_stride: int = 1
    """Largest distance of consecutive frames of a clip."""
    hflip_prob: float = 0.0
    """Probability of a horizontal flip."""
    subject_translate_prob: float = 0.0
    """Probability of a displacement of the subject against its background."""
    max_subject_translate: float = 0.0
    """Largest displacement of the subject as a fraction of the image's width and height."""

    # A disabled augmentation takes no random numbers, so that new settings do not change the clips of existing runs.

    def sample_clip(
        self, frame_range: FrameRange, length: int, view: View, frame_size: tuple[int, int], rng: np.random.Generator
    ) -> ClipSpec:
        """Sample a clip of `length` frames from a range that is at least as long; `frame_size` is (height, width)."""
        frame_stride = self._sample_stride(frame_range, length, rng)
        extent = (length - 1) * frame_stride + 1
        start = frame_range.start + int(rng.integers(frame_range.num_frames - extent + 1))
        jittered_view = self._jitter_view(
            view if self.crop_size is None else self._sample_crop(self.crop_size, frame_size, rng), rng
        )
        return ClipSpec(
            jittered_view,
            FrameRange(frame_range.clip_index, start, start + extent),
            frame_stride,
            bool(self.hflip_prob and rng.random() < self.hflip_prob),
            self._sample_subject_offset(rng),
        )

    def _sample_subject_offset(self, rng: np.random.Generator) -> tuple[float, float]:
        if not self.subject_translate_prob or rng.random() >= self.subject_translate_prob:
            return (0.0, 0.0)
        offset_x, offset_y = rng.uniform(-self.max_subject_translate, self.max_subject_translate, 2).tolist()
        return offset_x, offset_y

    def _sample_stride(self, frame_range: FrameRange, length: int, rng: np.random.Generator) -> int:
        """Sample uniformly from 1 to `max_frame_stride`, or to the largest stride that fits into the range."""
        if self.max_frame_stride == 1 or length < 2:
            return 1
        return 1 + int(rng.integers(min(self.max_frame_stride, (frame_range.num_frames - 1) // (length - 1))))

    def _sample_crop(self, output_size: tuple[int, int], frame_size: tuple[int, int], rng: np.random.Generator) -> View:
        """Sample a crop with the output's aspect ratio: the largest that fits, divided by a random scale."""
        (frame_height, frame_width), aspect_ratio = frame_size, output_size[1] / output_size[0]
        crop_height = min(frame_height, frame_width / aspect_ratio) / rng.uniform(*self.random_resize)
        free_space = max(frame_width - crop_height * aspect_ratio, 0.0), max(frame_height - crop_height, 0.0)
        left, top = (rng.uniform(0, 1, 2) * free_space).tolist()
        scale_factor = output_size[0] / crop_height
        full_size = round(frame_height * scale_factor), round(frame_width * scale_factor)
        return replace(
            View.from_box((left, top, left + crop_height * aspect_ratio, top + crop_height), *output_size),
            cropped_from=full_size,
        )

    def _jitter_view(self, view: View, rng: np.random.Generator) -> View:
        """Apply a random zoom about the centre and a random shift."""
        scale = 1.0 + rng.uniform(-self.max_zoom, self.max_zoom)
        translation = rng.uniform(-self.max_translate, self.max_translate, 2) * (view.width, view.height)
        centre = np.array([view.width - 1, view.height - 1]) / 2
        offset = centre * (1 - scale) + translation
        return view.compose(np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]]))


NO_AUGMENTATION = ClipAugmentation()
"""No augmentation."""
