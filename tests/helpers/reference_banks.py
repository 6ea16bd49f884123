"""Banks of reference frames of the moving blob, with the annotations of `extremes_conditioner`."""

from __future__ import annotations

from collections.abc import Sequence

from helpers.extremes_conditioner import Extremes
from helpers.factories import HEIGHT, WIDTH, blob_frame

from vid2vid_cli.conditioning import Annotation, VideoFrame, View, view_image
from vid2vid_cli.data.encoded_frames import EncodedFrames
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.media.images import encode_jpeg

SIZE = 33
"""Side of the generated frames: a node of the alignment grid is on each side of the image."""


def blob_annotation(index: int) -> Annotation:
    """The annotation of blob frame `index`."""
    return next(iter(Extremes().annotate([VideoFrame(blob_frame(index), False)])))


def full_view(size: int = SIZE) -> View:
    """The whole blob frame as a square image."""
    return View.from_box((0, 0, WIDTH, HEIGHT), size, size)


def blob_bank(indices: Sequence[int], *, scale: int = 1, num_per_frame: int = 2, clip_index: int = 0) -> ReferenceBank:
    """The blob frames `indices` as references at `scale` times the size of the generated frames, 33 x 33."""
    view = full_view(SIZE * scale)
    return ReferenceBank(
        EncodedFrames([encode_jpeg(view_image(blob_frame(index), view)) for index in indices]),
        tuple((blob_annotation(index),) for index in indices),
        (Extremes(),),
        view,
        full_view(),
        num_per_frame,
        tuple((clip_index, index) for index in indices),
    )
