"""Augmentation that moves the subject of a clip against its background.

In a short video, a body is at nearly the same place in all frames. A generator that is trained on them alone draws it
there too when the condition has it elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import NamedTuple

import cv2
import numpy as np

from vid2vid_cli.conditioning import Annotation, SubjectImage, View, view_image
from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.subject_masks import as_share, enlarge_mask, find_subject_masks, subject_conditioner

MAX_MASKS = 4096
"""Masks that are kept; 133 MB at most."""
MAX_BORDER_SHARE = 0.5
"""Largest value of a mask at the border of a frame, beyond which the border cuts off the subject."""


class ClipFrames(NamedTuple):
    """The frames of a clip, and how they and the subject are placed in its images."""

    frames: Iterable[UInt8Array]
    width: int
    """Of `frames`."""
    view: View
    """From `frames` to the images."""
    subject_view: View
    """From the dataset's frames, in whose pixels annotations are, to the place of the subject in the images."""


class SubjectDisplacer:
    """Moves the subject of a dataset's frames; keeps the last masks that it has found."""

    def __init__(self, bank: ReferenceBank) -> None:
        """`bank`: with masks of the subject, and so with a `subject_conditioner`."""
        index = subject_conditioner(bank.conditioners)
        assert index is not None
        self._bank, self._index = bank, index
        self._masks: dict[tuple[int, int], UInt8Array] = {}
        self._lock = Lock()

    def displace(
        self, frames: Iterable[UInt8Array], annotations: Sequence[Sequence[Annotation]], clip_spec: ClipSpec
    ) -> ClipFrames:
        """The frames of a clip with the subject displaced by `clip_spec.subject_offset`.

        A subject that the border of a frame cuts off is moved towards this border only.

        `annotations`: of each frame, per conditioner. Frames and annotations are not flipped, neither are the results.
        """
        bank_view = self._bank.view
        images = [np.asarray(view_image(frame, bank_view), np.uint8) for frame in frames]
        masks = self._find_masks(images, [items[self._index] for items in annotations], clip_spec)
        offset_x, offset_y = clip_spec.subject_offset
        view, shift = clip_spec.view, np.eye(2, 3)
        shift[:, 2] = bank_view.matrix_to(view)[:, :2] @ (
            bank_view.width * _away_from_borders(offset_x, [mask.T for mask in masks]),
            bank_view.height * _away_from_borders(offset_y, masks),
        )
        frame_view = view.of_image(bank_view)
        displaced = []
        for image, mask in zip(images, masks, strict=True):
            background = self._bank.static_frames.hide_subject(image, mask)
            subject, share = _cut_out(image, mask, frame_view.compose(shift))
            surroundings = np.asarray(view_image(background, frame_view), np.uint8)
            displaced.append(np.asarray(cv2.blendLinear(subject, surroundings, share, 1 - share), np.uint8))
        image_view = View.from_box((0, 0, view.width, view.height), view.height, view.width)
        return ClipFrames(displaced, view.width, image_view, view.compose(shift))

    def _find_masks(
        self, images: Sequence[UInt8Array], annotations: Sequence[Annotation], clip_spec: ClipSpec
    ) -> list[FloatArray]:
        """Masks (a, b) from 0 to 1."""
        keys = [(clip_spec.frame_range.clip_index, index) for index in clip_spec.frame_indices]
        bank = self._bank
        with self._lock:  # clips are loaded in several threads
            missing = [position for position, key in enumerate(keys) if key not in self._masks]
            if missing:
                subjects = [SubjectImage(images[i], annotations[i], bank.view) for i in missing]
                found = find_subject_masks(bank.conditioners[self._index], subjects, bank.output_view)
                self._masks.update(zip([keys[i] for i in missing], found, strict=True))
            masks = [as_share(self._masks[key]) for key in keys]
            for key in list(self._masks)[: max(len(self._masks) - MAX_MASKS, 0)]:
                del self._masks[key]
            return masks


def _away_from_borders(offset: float, masks: Sequence[FloatArray]) -> float:
    """An offset along the rows of the masks that does not show where the border of the frame cuts off the subject."""
    is_cut_before, is_cut_after = (max(float(mask[row].max()) for mask in masks) > MAX_BORDER_SHARE for row in (0, -1))
    if is_cut_before and is_cut_after:
        return 0.0
    return -abs(offset) if is_cut_before else abs(offset) if is_cut_after else offset


def _cut_out(image: UInt8Array, mask: FloatArray, view: View) -> tuple[UInt8Array, FloatArray]:
    """The image (h, w, 3) through a view, and the share of each pixel that its subject covers."""
    height, width = image.shape[:2]
    share = np.asarray(view_image(enlarge_mask(mask, height, width, margin=1), view), np.float32)
    return np.asarray(view_image(image, view), np.uint8), share
