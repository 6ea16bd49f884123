"""Edges that were drawn elsewhere, as lines on an even ground: a folder of pictures, or a video."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from vid2vid_cli.conditioning import Bytes, Footage, LabelFilesError, VideoReader, check_count, placed

OPTION = "edges.dir"
NEAR = 40
"""Grey levels from black, or from white, that still are the ground of a drawing."""
GROUND = 0.5
"""Least share of a drawing that is ground."""


def read_drawings(path: Path, footage: Footage | None, frames: Iterable[Bytes]) -> Iterator[tuple[Bytes, Bytes]]:
    """Each frame and its drawing, (h, w) uint8, light lines on black; dark lines on light ground are turned round.

    Raises: FilesMismatchError (not one for each frame, or of another shape), LabelFilesError (an ordinary picture),
    and what `VideoReader` raises.
    """
    drawings = VideoReader(path.expanduser())
    count = drawings.probe.frames
    check_count(count, footage, path, OPTION)
    stream = _numbered(drawings)
    dark: bool | None = None
    with closing(stream):
        at, picture = -1, np.zeros((1, 1), dtype=np.uint8)
        for index, frame in enumerate(frames):
            number = index if footage is None else footage.number(index)
            check_count(count, footage, path, OPTION, number)
            while at < number:
                at, picture = next(stream)
            if dark is None:
                dark = bool(np.median(picture) > 127)
            lines = 255 - picture if dark else picture
            _check_ground(lines, f"{path}, picture {at}")
            shape = frame.shape[0], frame.shape[1]
            drawn = placed(lines, f"{path}, picture {at}", shape, footage, nearest=False)
            yield frame, np.asarray(drawn, dtype=np.uint8)


def _numbered(drawings: VideoReader) -> Generator[tuple[int, Bytes], None, None]:
    number = -1
    picture = np.zeros((1, 1), dtype=np.uint8)
    for number, drawing in enumerate(drawings):
        picture = np.asarray(cv2.cvtColor(drawing, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        yield number, picture
    while True:  # a video may end one frame before it says
        number += 1
        yield number, picture


def _check_ground(lines: Bytes, name: str) -> None:
    if float((lines < NEAR).mean()) < GROUND:
        raise LabelFilesError(
            f"{name} is no drawing of edges: most of it is not even ground.",
            "Wanted are light lines on black, or dark lines on white. For an ordinary video: vid2vid transfer",
        )
