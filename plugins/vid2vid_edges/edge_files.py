"""Edge images from files: lines on a uniform background, as a folder of images or a video."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from vid2vid_cli.conditioning import (
    LabelFileError,
    UInt8Array,
    VideoContext,
    VideoReader,
    align_to_frames,
    expand_home,
    pair_with_frames,
)

OPTION_NAME = "edges.input_dir"
BACKGROUND_TOLERANCE = 40
"""Largest difference of background pixels from black, or from white, in grey levels."""
MIN_BACKGROUND_SHARE = 0.5
"""Minimum share of background pixels of an edge image."""


def read_edge_images(
    path: Path, video_context: VideoContext | None, frames: Iterable[UInt8Array]
) -> Iterator[tuple[UInt8Array, UInt8Array]]:
    """Yield each frame and its edge image (h, w) uint8, light lines on black; dark lines on white are inverted.

    Raises: InputFileMismatchError (number of images or aspect ratio), LabelFileError (not an edge image), and the
    errors of `VideoReader`.
    """
    reader = VideoReader(expand_home(path))
    files: Sequence[Path] | int = reader.files or reader.probe.num_frames
    pairing = pair_with_frames(expand_home(path), files, video_context, option_name=OPTION_NAME)
    stream = _numbered_images(reader)
    is_inverted: bool | None = None
    with closing(stream):
        image_index, image = -1, np.zeros((1, 1), dtype=np.uint8)
        for index, frame in enumerate(frames):
            while image_index < pairing[index]:
                image_index, image = next(stream)
            if is_inverted is None:
                is_inverted = bool(np.median(image) > 127)
            edges = 255 - image if is_inverted else image
            _check_background(edges, f"{path}, image {image_index}")
            shape = frame.shape[0], frame.shape[1]
            aligned = align_to_frames(edges, f"{path}, image {image_index}", shape, video_context, nearest=False)
            yield frame, np.asarray(aligned, dtype=np.uint8)


def _numbered_images(reader: VideoReader) -> Generator[tuple[int, UInt8Array], None, None]:
    index = -1
    image = np.zeros((1, 1), dtype=np.uint8)
    for index, frame in enumerate(reader):
        image = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        yield index, image
    while True:  # a video may have one frame less than its header states
        index += 1
        yield index, image


def _check_background(edges: UInt8Array, name: str) -> None:
    if float((edges < BACKGROUND_TOLERANCE).mean()) < MIN_BACKGROUND_SHARE:
        raise LabelFileError(
            f"{name} is not an edge image: less than half of it is black (or white) background.",
            "Use images with light lines on black or dark lines on white. For an ordinary video, use vid2vid transfer.",
        )
