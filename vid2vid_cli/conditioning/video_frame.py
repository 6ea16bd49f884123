"""The frames that `Conditioner.annotate` receives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
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


def detect_cuts(frames: Iterable[UInt8Array], known_cuts: Set[int] = frozenset()) -> Iterator[VideoFrame]:
    """Mark the frames that start a new shot, detected or with an index in `known_cuts`; the first is not marked.

    `known_cuts` may grow while the frames are read, as the `discontinuities` of a reader do.
    """
    cut_detector = CutDetector()
    for index, frame in enumerate(frames):
        is_detected = cut_detector(frame)
        yield VideoFrame(frame, is_detected or index in known_cuts)
