"""The scan of a source before it is rendered: which frames it reads, and the statistics from their annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path

from vid2vid_cli.conditioning import Annotation, Conditioner, Statistics
from vid2vid_cli.conditioning.combine import describe_missing_parts
from vid2vid_cli.core.errors import NoDetectionError
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.engine.events import EventHandler, InfoEvent, WarningEvent

SCAN_FRAMES = 96
"""Maximum number of frames from which the statistics of a source are computed."""
MAX_SCAN_WINDOWS = 16
"""Maximum number of positions at which these frames are read; each one opens the file and seeks."""


@dataclass(frozen=True)
class SourceScan:
    """The result of `SourceVideo.scan`, per conditioner."""

    statistics: tuple[Statistics, ...]
    first_annotations: tuple[Annotation, ...]
    """The first annotation with a detection; it stands for missing detections at the start."""


def scan_windows(num_frames: int, seekable_indices: Sequence[int]) -> list[range]:
    """Index ranges of at most SCAN_FRAMES frames in all, spread over a video; each starts at a seekable index."""
    if num_frames <= SCAN_FRAMES:
        return [range(num_frames)]
    starts = [seekable_indices[position] for position in evenly_spaced(len(seekable_indices), MAX_SCAN_WINDOWS)]
    length = SCAN_FRAMES // len(starts)
    return [range(start, min(start + length, stop)) for start, stop in pairwise([*starts, num_frames])]


def report_coverage(path: Path, windows: Sequence[range], num_frames: int, fps: Fraction, emit: EventHandler) -> None:
    """Emit an InfoEvent if `windows` leave more than half of the video in a row unread."""
    boundaries = pairwise(chain(windows, [range(num_frames, num_frames)]))
    longest_gap = max(following.start - window.stop for window, following in boundaries)
    if longest_gap > num_frames / 2:
        emit(
            InfoEvent(
                f"{path}: the source's position and proportions are measured on {sum(map(len, windows))} of "
                f"{num_frames} frames, as the file has few keyframes; {float(longest_gap / fps):.1f} s in a row are "
                "not covered."
            )
        )


def summarise_scan(
    path: Path,
    conditioners: Sequence[Conditioner],
    annotations_by_frame: Sequence[tuple[Annotation, ...]],
    has_frames: bool,
    emit: EventHandler,
) -> SourceScan:
    """The result of a scan of the source `path`; warns about parts that are missing on all frames.

    `conditioners`: bound to the video. `has_frames`: as in `SourceVideo`. Raises NoDetectionError.
    """
    statistics, first_annotations = [], []
    for index, conditioner in enumerate(conditioners):
        sequence = [annotations[index] for annotations in annotations_by_frame]
        first_annotations.append(_first_detection(path, conditioner, sequence, has_frames))
        missing_parts = describe_missing_parts(conditioner, sequence)
        if missing_parts:
            emit(
                WarningEvent(
                    f"{path}: {conditioner.spec.name} did not detect most of the body: {missing_parts} missing. The "
                    "result shows what was detected."
                )
            )
        statistics.append(conditioner.statistics(sequence))
    return SourceScan(tuple(statistics), tuple(first_annotations))


def _first_detection(
    path: Path, conditioner: Conditioner, annotations: Sequence[Annotation], has_frames: bool
) -> Annotation:
    for annotation in annotations:
        if annotation.quality > 0:
            return annotation
    name = conditioner.spec.name
    if not has_frames:
        raise NoDetectionError(
            f"{name}: the files of {path} contain no points on any of {len(annotations)} frames.",
            "Check that these are the label files of the video.",
        )
    message = f"{name}: no detection on any of {len(annotations)} frames of {path}."
    raise NoDetectionError(
        " ".join([message, *(conditioner.video_context.notices if conditioner.video_context else ())]),
        f"Use a video that shows the subject larger; `vid2vid plugins show {name}` lists options that may help.",
    )
