"""Reference frames without alignment: they show what does not move, with the background in place of the subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial

import numpy as np

from vid2vid_cli.conditioning import View, view_image
from vid2vid_cli.conditioning.bone_alignment import BONE_WIDTH, bone_proximity
from vid2vid_cli.core.geometry import FloatArray, UInt8Array
from vid2vid_cli.data.linear_motion import LinearMotion
from vid2vid_cli.data.reference_background import ReferenceBackgrounds, ReferenceFrame, dilate, make_reference_frame
from vid2vid_cli.data.scene_positions import Positions, to_scene
from vid2vid_cli.data.subject_masks import as_share, enlarge_mask

MASK_MARGIN = 0.01
"""Width of the margin around the mask of a subject, in longer sides of the output: its outline is uncertain."""


class StaticFrames:
    """Frames (k) of the size of `view`, in which a body, its limbs or a head can be replaced by the background."""

    def __init__(
        self,
        frames: Sequence[UInt8Array],
        view: View,
        output_view: View,
        *,
        points: FloatArray,
        bones: Sequence[tuple[int, int]],
        motion: LinearMotion | None,
        subject_masks: UInt8Array | None,
    ) -> None:
        """`points`: (k, n, 2) in pixels of `output_view`; the others as in `ReferenceBank`."""
        self._frames, self._view, self._points, self._bones = frames, view, points, bones
        self._motion, self._subject_masks = motion, subject_masks
        self._output_size = output_view.height, output_view.width

    @cached_property
    def _backgrounds(self) -> ReferenceBackgrounds | None:
        """None without bones and without `motion`. Found when needed first: it takes some tenths of a second."""
        if not self._bones and self._motion is None:
            return None
        interpolates_hidden = self._subject_masks is not None or not self._bones
        return ReferenceBackgrounds(len(self._frames), self._reference_frame, interpolates_hidden=interpolates_hidden)

    def load(self, index: int, view: View, background_share: float = 1.0) -> UInt8Array:
        """Frame `index` (view.height, view.width, 3) through a view of the dataset's frames.

        `background_share`: opacity of the background in place of the subject; see `reference_background`.
        """
        image = self._frames[index]
        backgrounds = self._backgrounds if background_share else None
        if backgrounds is not None:
            image = backgrounds.fill(self._reference_frame(index), background_share)
        return np.asarray(view_image(image, view.of_image(self._view)), np.uint8)

    def hide_subject(self, image: UInt8Array, mask: FloatArray) -> UInt8Array:
        """An image through `view` with the background in place of the subject, by its mask (h, w) from 0 to 1."""
        assert self._backgrounds is not None
        return self._backgrounds.fill(ReferenceFrame(image, self._as_proximity(mask)))

    def _reference_frame(self, index: int) -> ReferenceFrame:
        image = self._frames[index]
        if not self._bones:
            return make_reference_frame(image, self._output_size, partial(self._subject_share, index))
        limbs = make_reference_frame(image, self._output_size, partial(self._limb_proximity, index))
        if self._subject_masks is None:
            return limbs
        mask = self._as_proximity(as_share(self._subject_masks[index]))
        return replace(limbs, proximity=np.maximum(mask, limbs.proximity))  # the mask lacks blurred hands

    def _as_proximity(self, mask: FloatArray) -> FloatArray:
        """A mask at the size of the output, with a margin."""
        height, width = self._output_size
        return enlarge_mask(mask, height, width, margin=round(MASK_MARGIN * max(height, width)))

    def _limb_proximity(self, index: int, cells: Positions) -> FloatArray:
        """From 0 to 1 at `cells` (a, b), pixels of the output."""
        return bone_proximity(cells.astype(np.complex64), self._points[index], self._bones, BONE_WIDTH)

    def _subject_share(self, index: int, cells: Positions) -> FloatArray | None:
        """What follows the points, from 0 to 1 at `cells` (a, b), pixels of the output; None if points are missing."""
        assert self._motion is not None
        positions = to_scene(np.stack([cells.real, cells.imag], axis=-1), *self._output_size)
        share = self._motion.subject_share(positions, to_scene(self._points[index], *self._output_size))
        return None if share is None else dilate(share)
