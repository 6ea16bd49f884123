"""The conditioner `none`: the condition is the frame itself, three channels. Datasets do not store it twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    ConditionerSpec,
    FloatArray,
    UInt8Array,
    VideoFrame,
    View,
    frame_annotation,
    view_image,
)
from vid2vid_none import SPEC


class FrameCondition(Conditioner):
    """The frame as its own condition."""

    spec: ClassVar[ConditionerSpec] = SPEC

    @property
    def num_channels(self) -> int:
        """Three: red, green and blue."""
        return 3

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield each frame as the annotation's image, with quality 1."""
        for frame in frames:
            yield frame_annotation(frame.rgb)

    def render(self, annotation: Annotation, view: View) -> FloatArray:
        """Return (3, height, width): the frame in [-1, 1]; zeros for an empty annotation."""
        channels = self.visualize(annotation, view).astype(np.float32) / 127.5 - 1.0
        return np.ascontiguousarray(channels.transpose(2, 0, 1))

    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        """Return the frame; grey for an empty annotation."""
        image = annotation.images.get("frame")
        if image is None:
            return np.full((view.height, view.width, 3), 128, dtype=np.uint8)
        return np.asarray(view_image(image, view), dtype=np.uint8)
