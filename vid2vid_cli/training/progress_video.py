"""`progress.mp4` of a run: its sample sheets one after another."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.media.contact_sheet import side_by_side
from vid2vid_cli.media.images import load_image
from vid2vid_cli.media.writer import VideoWriter

PROGRESS_VIDEO_NAME = "progress.mp4"
SHEETS_PER_SECOND = 4
MAX_SHEETS = 240
"""A minute of video."""
HEIGHT = 720
"""Of the sheets, in pixels."""


def write_progress_video(path: Path, sheets: Sequence[tuple[str, Path]]) -> bool:
    """Write the sheets (label, PNG file) as a video, evenly spaced ones of many; False for fewer than two.

    Raises DiskFullError, PermissionDeniedError and the errors of `load_image`.
    """
    if len(sheets) < 2:
        return False
    chosen = [sheets[index] for index in evenly_spaced(len(sheets), MAX_SHEETS)]
    images = [side_by_side([load_image(file)], [label], HEIGHT) for label, file in (chosen[0], chosen[-1])]
    # The sheets of the image warm-up have fewer rows and are therefore wider at the same height.
    width = max(image.shape[1] for image in images)
    with VideoWriter(path, Fraction(SHEETS_PER_SECOND), preset="ultrafast") as writer:
        for label, file in chosen:
            writer.write(_fit_width(side_by_side([load_image(file)], [label], HEIGHT), width))
    return True


def _fit_width(image: ImageArray, width: int) -> ImageArray:
    """The image padded or cropped on the right."""
    return np.pad(image[:, :width], ((0, 0), (0, max(0, width - image.shape[1])), (0, 0)))
