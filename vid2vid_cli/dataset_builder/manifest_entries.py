"""The manifest of a dataset that `prepare` has filled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.data.manifest import ClassRecord, Clip, ConditionerRecord, Manifest, Quality, Source, Splits
from vid2vid_cli.dataset_builder.clip import ClipFiles, Clipped
from vid2vid_cli.dataset_builder.foreign_datasets import Part
from vid2vid_cli.dataset_builder.job import Job

DIVISIBLE = 5
"""Frames of the shortest shot of which a part is held out."""


def bare_manifest(job: Job, name: str, files: Sequence[ClipFiles], videos: Sequence[Clipped]) -> Manifest:
    """The manifest of a dataset called `name` without quality and statistics: every shot is a clip."""
    clips: list[Clip] = []
    train: list[tuple[int, int, int]] = []
    holdout: list[tuple[int, int, int]] = []
    for source, (item, folder, video) in enumerate(zip(job.inputs, files, videos, strict=True)):
        for first, frames in video.shots:
            learned, _ = split_of(frames, job.request.holdout, item.part)
            if learned:
                train.append((len(clips), 0, learned))
            if learned < frames:
                holdout.append((len(clips), learned, frames))
            start = job.request.start + float(first / job.fps)
            clips.append(Clip(name=folder.name, first=first, frames=frames, source=source, start=start))
    return Manifest(
        name=name,
        created_by=f"vid2vid {__version__}",
        source=tuple(
            Source(path=str(item.path.resolve()), sha256=item.sha256, probe=item.probe.to_json()) for item in job.inputs
        ),
        height=job.size[0],
        width=job.size[1],
        fps=f"{job.fps.numerator}/{job.fps.denominator}",
        frames=sum(video.frames for video in videos),
        frame_format=job.frame_format,
        clips=tuple(clips),
        conditioners=tuple(_bare_record(conditioner, files) for conditioner in job.conditioners),
        splits=Splits(train=tuple(train), holdout=tuple(holdout)),
        identity=job.identity,
    )


def _bare_record(conditioner: Conditioner, files: Sequence[ClipFiles]) -> ConditionerRecord:
    name = conditioner.spec.name
    images = {entry.name for clip in files for entry in (clip.folder / name).iterdir() if entry.is_dir()}
    return ConditionerRecord(
        name=name,
        options=conditioner.options.lasting(),
        fingerprint=plain(conditioner.fingerprint()),
        channels=conditioner.channels,
        images=tuple(sorted(images)),
        classes=tuple(ClassRecord(id=one.id, name=one.name, colour=one.colour) for one in conditioner.classes()),
        quality=Quality(mean=0, found=0, total=0),
    )


def split_of(frames: int, holdout: float, part: Part = "") -> tuple[int, int]:
    """(frames to train on, frames in all) of a shot: its end is held out, 1 frame at least, and 2 always remain.

    A shot of fewer than `DIVISIBLE` frames, or one that belongs to one `part`, is not divided.
    """
    if part:
        return (frames if part == "train" else 0), frames
    if frames < DIVISIBLE or holdout <= 0:
        return frames, frames
    return max(2, frames - max(1, round(frames * holdout))), frames


def with_findings(job: Job, dataset: Dataset) -> Manifest:
    """The manifest of a filled dataset with quality over all frames and statistics over the training frames."""
    records = []
    for conditioner, record in zip(job.conditioners, dataset.manifest.conditioners, strict=True):
        values = [float(v) for span in dataset.clips() for v in dataset.quality(span.clip, record.name)]
        found = sum(value > 0 for value in values)
        quality = Quality(mean=round(sum(values) / len(values), 6), found=found, total=len(values))
        statistics = conditioner.statistics(dataset.annotations(dataset.clips("train"), record.name))
        records.append(record.model_copy(update={"quality": quality, "statistics": plain(statistics)}))
    return dataset.manifest.model_copy(update={"conditioners": tuple(records)})


def plain(data: Any) -> Any:
    """Data as JSON gives it back: numpy's numbers and arrays become numbers and lists."""
    return json.loads(json.dumps(data, default=lambda value: value.tolist()))
