"""The frames that `Conditioner.annotate` receives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.media.shot_detection import CutDetector


@dataclass(frozen=True)
class VideoFrame:
    """One decoded frame of a video."""

    rgb: UInt8Array
    """(h, w, 3) uint8; conditioners do not modify it."""
    is_cut: bool = False
    """Whether the frame starts a new shot."""


def detect_cuts(frames: Iterable[UInt8Array]) -> Iterator[VideoFrame]:
    """Mark the frames that start a new shot; the first frame is not marked."""
    cut_detector = CutDetector()
    for frame in frames:
        yield VideoFrame(frame, cut_detector(frame))
