"""Builds the manifest of a prepared dataset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.data.manifest import (
    ClassRecord,
    ClipRecord,
    ConditionerRecord,
    Manifest,
    QualityRecord,
    SourceRecord,
    Splits,
)
from vid2vid_cli.dataset_builder.clip_files import ClipPaths, ClipResult
from vid2vid_cli.dataset_builder.dataset_layouts import SequenceSplit
from vid2vid_cli.dataset_builder.job import PrepareJob
from vid2vid_cli.media.spread_reader import SpreadReader

MIN_SPLIT_FRAMES = 5
"""Number of frames of the shortest shot that is divided into training and validation frames."""


def draft_manifest(
    job: PrepareJob, name: str, clip_paths: Sequence[ClipPaths], clip_results: Sequence[ClipResult]
) -> Manifest:
    """The manifest without quality and statistics; every shot is a clip."""
    clips: list[ClipRecord] = []
    train_spans: list[tuple[int, int, int]] = []
    val_spans: list[tuple[int, int, int]] = []
    for source_index, (input_video, paths, clip_result) in enumerate(
        zip(job.inputs, clip_paths, clip_results, strict=True)
    ):
        reader = job.open_reader(input_video)
        for first_index, num_frames in clip_result.shots:
            index_in_source = reader.source_index(first_index) if isinstance(reader, SpreadReader) else first_index
            num_train_frames = num_training_frames(num_frames, job.request.val_fraction, input_video.split)
            if num_train_frames:
                train_spans.append((len(clips), 0, num_train_frames))
            if num_train_frames < num_frames:
                val_spans.append((len(clips), num_train_frames, num_frames))
            clips.append(
                ClipRecord(
                    name=paths.name,
                    start_index=first_index,
                    num_frames=num_frames,
                    source_index=source_index,
                    start_seconds=job.request.start + float(index_in_source / job.fps),
                )
            )
    return Manifest(
        name=name,
        created_by=f"vid2vid {__version__}",
        sources=tuple(
            SourceRecord(path=str(item.path.resolve()), sha256=item.sha256, probe=item.probe.to_json())
            for item in job.inputs
        ),
        height=job.frame_size[0],
        width=job.frame_size[1],
        fps=f"{job.fps.numerator}/{job.fps.denominator}",
        num_frames=sum(video.num_frames for video in clip_results),
        frame_format=job.frame_format,
        clips=tuple(clips),
        conditioners=tuple(_draft_record(conditioner, clip_paths) for conditioner in job.conditioners),
        splits=Splits(train=tuple(train_spans), val=tuple(val_spans)),
        content_hash=job.identity,
    )


def _draft_record(conditioner: Conditioner, clip_paths: Sequence[ClipPaths]) -> ConditionerRecord:
    name = conditioner.spec.name
    image_names = {entry.name for clip in clip_paths for entry in (clip.folder / name).iterdir() if entry.is_dir()}
    return ConditionerRecord(
        name=name,
        options=conditioner.options.persistent_values(),
        fingerprint=to_plain_data(conditioner.fingerprint()),
        num_channels=conditioner.num_channels,
        image_names=tuple(sorted(image_names)),
        classes=tuple(
            ClassRecord(id=label.id, name=label.name, colour=label.colour) for label in conditioner.classes()
        ),
        quality=QualityRecord(mean=0, num_detected=0, num_frames=0),
    )


def num_training_frames(num_frames: int, val_fraction: float, split: SequenceSplit = "") -> int:
    """Number of training frames of a shot; its last frames, at least 1, are for validation.

    A shot of fewer than MIN_SPLIT_FRAMES frames, or of a sequence that belongs to one `split`, is not divided.
    """
    if split:
        return num_frames if split == "train" else 0
    if num_frames < MIN_SPLIT_FRAMES or val_fraction <= 0:
        return num_frames
    return max(2, num_frames - max(1, round(num_frames * val_fraction)))


def add_statistics(job: PrepareJob, dataset: Dataset) -> Manifest:
    """Add the quality of all frames and the statistics of the training frames to the manifest."""
    records = []
    for conditioner, record in zip(job.conditioners, dataset.manifest.conditioners, strict=True):
        quality_values = [
            float(v) for span in dataset.frame_ranges() for v in dataset.quality(span.clip_index, record.name)
        ]
        num_detected = sum(value > 0 for value in quality_values)
        quality = QualityRecord(
            mean=round(sum(quality_values) / len(quality_values), 6),
            num_detected=num_detected,
            num_frames=len(quality_values),
        )
        statistics = conditioner.statistics(dataset.annotations(dataset.frame_ranges("train"), record.name))
        records.append(
            ConditionerRecord.model_validate(
                {**dict(record), "quality": quality, "statistics": to_plain_data(statistics)}
            )
        )
    return Manifest.model_validate({**dict(dataset.manifest), "conditioners": tuple(records)})


def to_plain_data(data: Any) -> Any:
    """Convert numpy numbers and arrays to plain JSON data."""
    return json.loads(json.dumps(data, default=lambda value: value.tolist()))
