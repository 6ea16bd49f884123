"""The conditioner `none`, whose annotation is the frame itself: datasets provide it without storing it."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from vid2vid_cli.conditioning.conditioner import Annotation

FRAME_IMAGE = "frame"
"""Name of the image of such an annotation."""


def frame_annotation(frame: NDArray[Any]) -> Annotation:
    """The annotation of a frame (h, w, 3) uint8 RGB that is its own condition."""
    return Annotation(frame.shape[0], frame.shape[1], 1.0, images={FRAME_IMAGE: frame})
