"""Readers of a source, at the size at which it is annotated."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.requests.render import RenderRequest

MAX_SHORT_SIDE = 512
"""Pixels; a larger source is reduced to this size, as by `prepare`, or to the size of the target's frames."""


def open_source_reader(
    path: Path,
    metadata: CheckpointMetadata,
    *,
    fps: Fraction | None = None,
    start: float = 0.0,
    end: float | None = None,
    max_frames: int | None = None,
) -> VideoReader:
    """A reader of the source, reduced if it is larger than `prepare` allows and than the checkpoint's dataset.

    Raises the errors of `VideoReader`.
    """
    reader = VideoReader(path, fps=fps, start=start, end=end, max_frames=max_frames)
    scale = max_short_side(metadata) / min(reader.height, reader.width)
    if scale >= 1:
        return reader
    size = (round(reader.height * scale), round(reader.width * scale))
    return VideoReader(path, fps=fps, size=size, start=start, end=end, max_frames=max_frames, video_probe=reader.probe)


def max_short_side(metadata: CheckpointMetadata) -> int:
    """Shorter side in pixels to which a larger source is reduced."""
    return max(MAX_SHORT_SIDE, min(metadata.height, metadata.width))


def open_full_reader(reader: VideoReader, request: RenderRequest) -> VideoReader | None:
    """A reader of the same frames at their full size; None if that is the size of `reader`."""
    if (reader.height, reader.width) == (reader.probe.height, reader.probe.width):
        return None
    return VideoReader(
        reader.path,
        start=request.start,
        end=request.end,
        max_frames=request.max_frames,
        video_probe=reader.probe,
    )
