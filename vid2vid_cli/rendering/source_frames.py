"""The decoded frames of a source, at the size at which they are annotated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from vid2vid_cli.conditioning import VideoFrame, detect_cuts
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.blank_reader import FrameSource
from vid2vid_cli.media.images import resize_image
from vid2vid_cli.media.reader import VideoReader


@dataclass(frozen=True)
class SourceFrames:
    """Reads the frames of a source and marks its cuts."""

    reader: FrameSource
    """At the size at which frames are annotated."""
    full_reader: VideoReader | None
    """At full size; None: frames are not needed at that size."""
    detects_cuts: bool
    """False for label images and single shots, which have only the cuts of the reader."""

    @property
    def decoded_reader(self) -> FrameSource:
        """The reader whose frames are decoded, apart from those of `read_windows`."""
        return self.full_reader or self.reader

    def reduce(self, image: ImageArray) -> ImageArray:
        """A frame of `decoded_reader` at the size of `reader`."""
        if self.full_reader is None:
            return image
        return resize_image(image, self.reader.height, self.reader.width).astype(np.uint8, copy=False)

    def mark_cuts(self, images: Iterable[ImageArray], reader: FrameSource) -> Iterator[VideoFrame]:
        """The images of `reader` as frames with their cuts."""
        if self.detects_cuts:
            return detect_cuts(images, reader.discontinuities)
        return (VideoFrame(image, index in reader.discontinuities) for index, image in enumerate(images))

    def read_windows(self, windows: Sequence[range]) -> Iterator[VideoFrame]:
        """Yield the frames of ranges of indices. The first frame of a later range counts as a cut."""
        for window in windows:
            reader = self.reader.select_range(window.start, window.stop)
            for position, frame in enumerate(self.mark_cuts(islice(reader, len(window)), reader)):
                yield replace(frame, is_cut=True) if window is not windows[0] and position == 0 else frame
