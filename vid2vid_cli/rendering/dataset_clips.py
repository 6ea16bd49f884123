"""Clips of a prepared dataset for `synthesize`: their frames, and the audio that belongs to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import Annotation, view_image
from vid2vid_cli.core.errors import DatasetError
from vid2vid_cli.data.dataset import Dataset, FrameRange, Split
from vid2vid_cli.data.detection_gaps import DetectionGaps
from vid2vid_cli.data.manifest import Manifest
from vid2vid_cli.rendering.frames import AnnotatedFrame, detection_quality, hold_last_annotation
from vid2vid_cli.rendering.time_range import TimeRange
from vid2vid_cli.training_data.training_data import TrainingData


def select_frame_ranges(dataset: Dataset, split: Split, time_range: TimeRange) -> list[FrameRange]:
    """The frame ranges of a split that lie in a time range of its concatenated frames.

    Raises DatasetError for an empty split, and the errors of `TimeRange.split_by_clip`.
    """
    split_ranges = dataset.frame_ranges(split)
    if not split_ranges:
        raise DatasetError(f"{dataset.folder} has no {split} frames.", "Use --split all.")
    selected_parts = time_range.split_by_clip(
        [frame_range.num_frames for frame_range in split_ranges], dataset.fps, str(dataset.folder)
    )
    return [
        FrameRange(
            split_ranges[part.clip_index].clip_index,
            split_ranges[part.clip_index].start + part.start,
            split_ranges[part.clip_index].start + part.stop,
        )
        for part in selected_parts
    ]


def read_annotated_frames(training_data: TrainingData, frame_range: FrameRange) -> Iterator[AnnotatedFrame]:
    """Yield the cropped frames of a range with their annotations; missing detections repeat the last annotation."""
    dataset, clip_index = training_data.dataset, frame_range.clip_index
    names = [conditioner.spec.name for conditioner in training_data.conditioners]
    last_annotations = [_first_detection(dataset, frame_range, name) for name in names]
    for index in range(frame_range.start, frame_range.stop):
        annotations = [dataset.load_annotation(clip_index, index, name) for name in names]
        yield AnnotatedFrame(
            view_image(dataset.load_frame(clip_index, index), training_data.view),
            False,
            hold_last_annotation(annotations, last_annotations, training_data.conditioners),
            detection_quality(annotations, training_data.conditioners),
        )


def find_gaps(dataset: Dataset, frame_ranges: Sequence[FrameRange], conditioner: str) -> DetectionGaps:
    """The frames of the ranges, as one video, on which a conditioner has no detection."""
    gaps = DetectionGaps(dataset.fps)
    for clip_index, start, stop in frame_ranges:
        gaps.add_frames(dataset.quality(clip_index, conditioner)[start:stop] <= 0)
    return gaps


def _first_detection(dataset: Dataset, frame_range: FrameRange, conditioner: str) -> Annotation:
    """The first annotation of the range with a detection, or the first annotation if there is none."""
    quality = dataset.quality(frame_range.clip_index, conditioner)[frame_range.start : frame_range.stop]
    detected_indices = np.flatnonzero(quality > 0)
    first_index = int(detected_indices[0]) if len(detected_indices) else 0
    return dataset.load_annotation(frame_range.clip_index, frame_range.start + first_index, conditioner)


def find_audio(manifest: Manifest, frame_ranges: Sequence[FrameRange]) -> tuple[Path | None, float]:
    """The video with the audio of these ranges, and the time in it, in seconds, at which they start.

    The path is None if the ranges are not consecutive in one video, or if the video no longer exists.
    """
    if any(starts_sequence(manifest, frame_ranges)[1:]):
        return None, 0.0
    first_clip = manifest.clips[frame_ranges[0].clip_index]
    video_path = Path(manifest.sources[first_clip.source_index].path)
    start_seconds = first_clip.start_seconds + float(frame_ranges[0].start / manifest.frame_rate)
    return (video_path if video_path.is_file() else None), start_seconds


def starts_sequence(manifest: Manifest, frame_ranges: Sequence[FrameRange]) -> list[bool]:
    """For each range, whether it does not continue the range before it in the same video."""
    intervals = [
        (clip.name, clip.start_index + frame_range.start, clip.start_index + frame_range.stop)
        for frame_range in frame_ranges
        for clip in [manifest.clips[frame_range.clip_index]]
    ]
    return [
        True,
        *(
            name != next_name or stop != next_start
            for (name, _, stop), (next_name, next_start, _) in pairwise(intervals)
        ),
    ]
