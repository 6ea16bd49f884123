"""Compositing: the subject of generated frames on the source, on a picture or a colour, or with an alpha channel."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import cv2
import numpy as np

from vid2vid_cli.conditioning import SubjectImage
from vid2vid_cli.core.geometry import FloatArray, ImageArray, View
from vid2vid_cli.media.images import Image, resize_image, view_image
from vid2vid_cli.rendering.background import PasteOptions, subject_index
from vid2vid_cli.rendering.colour_match import match_colours
from vid2vid_cli.rendering.frames import RenderedFrame
from vid2vid_cli.rendering.pasting import (
    blend,
    fit_similarity,
    matrix_view,
    point_positions,
    to_uint8,
    warp_mask,
)
from vid2vid_cli.rendering.retargeter import Retargeter

FEATHER_SHARE = 0.08
"""Width of the soft edge of a pasted face, in multiples of the square root of its area."""
PERSON_FEATHER_SHARE = 0.01
"""The same for a person, whose mask follows the outline."""
MIN_COVERED_SHARE = 0.05
"""Share of a pixel above which the source's person covers it."""
FILL_SIZE = 96
"""Pixels of the longer side of the image in which the place of the source's person is filled."""


class Compositor:
    """Composites the frames of one source, in order. A frame depends on no other one."""

    def __init__(self, options: PasteOptions, retargeter: Retargeter) -> None:
        """Raises ConfigError if no conditioner has a subject."""
        self._background, self._keep_size = options.background, options.keep_size
        is_pasted = options.background.kind == "source"
        source = retargeter.source
        self._index = subject_index(source.conditioners, "--background")
        self._conditioner = source.conditioners[self._index]
        self._generated_view = retargeter.views[self._index]
        self._source_view = retargeter.source_view
        self._is_retargeted = retargeter.retarget_flags[self._index]
        self._annotated_size = source.reader.height, source.reader.width
        self._covers_source = is_pasted and self._conditioner.subject == "person"
        self._matches_colours = is_pasted and options.match_colours and self._conditioner.subject == "face"

    def composite(self, frames: Iterator[RenderedFrame]) -> Iterator[tuple[RenderedFrame, Image]]:
        """Yield each frame with its image: uint8 or uint16 as generated, (h, w, 3), or (h, w, 4) with alpha."""
        pending: deque[RenderedFrame] = deque()

        def subject_images() -> Iterator[SubjectImage]:
            for frame in frames:
                pending.append(frame)
                image, annotations = to_uint8(frame.image), frame.source.annotations
                yield SubjectImage(image, annotations[self._index], self._generated_view)
                if self._covers_source:
                    yield self._source_subject(frame)

        masks = self._conditioner.subject_masks(subject_images())
        for mask in masks:
            source_mask = next(masks) if self._covers_source else None
            frame = pending.popleft()
            yield frame, self._composite_frame(frame, mask, source_mask)

    def _source_subject(self, frame: RenderedFrame) -> SubjectImage:
        """The source's person, at the size at which frames are annotated."""
        original = frame.source.original
        assert original is not None
        height, width = self._annotated_size
        image = np.asarray(resize_image(original.image, height, width), dtype=np.uint8)
        view = View.from_box((0, 0, width, height), height, width)
        return SubjectImage(image, original.annotations[self._index], view)

    def _composite_frame(self, frame: RenderedFrame, mask: FloatArray, source_mask: FloatArray | None) -> Image:
        view = self._place(frame)
        image, warped_mask = frame.image, self._soften(mask, ends_at_border=view is not None)
        if view is not None:
            image, warped_mask = view_image(image, view), warp_mask(warped_mask, view)
        if self._background.kind == "alpha":
            max_value = np.iinfo(image.dtype).max
            alpha = np.rint(warped_mask * max_value).astype(image.dtype)
            return np.dstack([image, alpha])
        if self._background.kind == "image":
            return blend(self._background.fill(*image.shape[:2]), image, warped_mask)
        base = self._source_canvas(frame)
        if source_mask is not None:
            base = self._fill_person(base, source_mask)
        if self._matches_colours:
            image = match_colours(image, base, warped_mask)
        return blend(base, image, warped_mask)

    def _soften(self, mask: FloatArray, *, ends_at_border: bool) -> FloatArray:
        """The mask with a soft edge inside its own, and at the border of the generated frame if it ends there."""
        share = FEATHER_SHARE if self._conditioner.subject == "face" else PERSON_FEATHER_SHARE
        radius = max(1, round(share * float(mask.sum()) ** 0.5))
        size = 2 * radius + 1
        padded = np.pad(mask, 2 * radius, mode="constant" if ends_at_border else "edge")
        eroded = cv2.erode(padded, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
        # Two box filters that together reach as far as the erosion has moved the edge.
        box = max(1, radius // 2 * 2 + 1 - 2 * (radius % 2 == 0)), max(1, radius // 2 * 2 + 1 - 2 * (radius % 2 == 0))
        soft = cv2.blur(cv2.blur(eroded, box), box)
        return np.asarray(soft[2 * radius : -2 * radius, 2 * radius : -2 * radius], dtype=np.float32)

    def _place(self, frame: RenderedFrame) -> View | None:
        """From pixels of the generated frame to those of the canvas; None if the generated frame is the canvas."""
        if not self._keep_size and self._background.kind != "source":
            return None
        original = frame.source.original
        assert original is not None, "kept for every background but the target's"
        height, width = original.image.shape[:2] if self._keep_size else frame.image.shape[:2]
        annotated_height, annotated_width = self._annotated_size
        full_view = View.from_box((0.0, 0.0, float(annotated_width), float(annotated_height)), height, width)
        canvas_view = full_view if self._keep_size else self._source_view
        if self._is_retargeted:
            matrix = fit_similarity(
                point_positions(frame.source.annotations[self._index], self._generated_view),
                point_positions(original.annotations[self._index], canvas_view),
                can_rotate=self._conditioner.subject == "face",
            )
        else:
            matrix = self._generated_view.matrix_to(canvas_view)
        return matrix_view(matrix, height, width)

    def _source_canvas(self, frame: RenderedFrame) -> ImageArray:
        original = frame.source.original
        assert original is not None, "kept for this background"
        image = original.image if self._keep_size else view_image(original.image, self._source_view)
        return np.asarray(image, dtype=np.uint8)

    def _fill_person(self, base: ImageArray, source_mask: FloatArray) -> ImageArray:
        """The canvas with the source's person replaced by blurred surroundings, where the target does not cover it."""
        height, width = base.shape[:2]
        if not self._keep_size:
            source_mask = view_image(source_mask, self._source_view)
        scale = FILL_SIZE / max(height, width)
        small_size = max(1, round(height * scale)), max(1, round(width * scale))
        small_mask = resize_image(source_mask, *small_size)
        kernel = np.ones((3, 3), np.uint8)
        hole = cv2.dilate((small_mask > MIN_COVERED_SHARE).astype(np.uint8), kernel)
        filled = cv2.inpaint(resize_image(base, *small_size), hole, 3, cv2.INPAINT_TELEA)
        small_weight = cv2.blur(cv2.dilate(hole, kernel).astype(np.float32), (3, 3))
        weight = np.asarray(cv2.resize(small_weight, (width, height)), dtype=np.float32)
        filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(blend(base, filled, weight), dtype=np.uint8)
