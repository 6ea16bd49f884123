"""Clips of any length for measurements, from a short one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter

MAX_FRAMES_IN_MEMORY = 200


def write_looped_clip(video: Path, num_frames: int, path: Path) -> Path:
    """Repeat a clip forwards and backwards, without jumps, until it has `num_frames` frames.

    Only its first MAX_FRAMES_IN_MEMORY frames are repeated. Raises the errors of `VideoReader` and `VideoWriter`.
    """
    reader = VideoReader(video)
    return write_looped_frames(
        list(islice(reader, min(num_frames, MAX_FRAMES_IN_MEMORY))), num_frames, path, reader.fps
    )


def write_looped_frames(frames: Sequence[ImageArray], num_frames: int, path: Path, fps: Fraction) -> Path:
    """The same for frames in memory, (h, w, 3) uint8 RGB."""
    loop = [*frames, *frames[::-1]]
    with VideoWriter(path, fps) as writer:
        for index in range(num_frames):
            writer.write(loop[index % len(loop)])
    return path
