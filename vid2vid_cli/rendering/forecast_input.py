"""The input of `predict`: clips of a dataset, or the end of a video."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.conditioning import Conditioner, view_image
from vid2vid_cli.conditioning.combine import merge_statistics
from vid2vid_cli.core.errors import TooFewFramesError
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.clip_sampler import load_clip, render_conditions
from vid2vid_cli.data.cropping import crop_view
from vid2vid_cli.data.dataset import FrameRange, Split, valid_ranges
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.engine.events import EventHandler
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile
from vid2vid_cli.rendering.forecast import ForecastClip
from vid2vid_cli.rendering.label_video import open_label_sources
from vid2vid_cli.rendering.source_conditioners import ConditionerOptions, load_source_conditioners
from vid2vid_cli.rendering.source_reader import open_source_reader
from vid2vid_cli.rendering.source_video import SourceVideo
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint
from vid2vid_cli.training_data.training_data import TrainingData


@dataclass(frozen=True)
class ForecastInput:
    """The clips to continue."""

    conditioners: tuple[Conditioner, ...]
    fps: Fraction
    clips: Iterator[ForecastClip]
    num_clips: int


def forecast_ranges(
    training_data: TrainingData, split: Split, *, num_context_frames: int, num_frames: int
) -> list[FrameRange]:
    """Ranges of `num_context_frames` and the `num_frames` that follow; each frame is predicted at most once.

    Raises TooFewFramesError if there is none.
    """
    dataset, clip_length = training_data.dataset, num_context_frames + num_frames
    ranges = valid_ranges(dataset, [conditioner.spec.name for conditioner in training_data.conditioners], split)
    clip_ranges = [
        FrameRange(frame_range.clip_index, first, first + clip_length)
        for frame_range in ranges
        for first in range(frame_range.start, frame_range.stop - clip_length + 1, num_frames)
    ]
    if not clip_ranges:
        max_length = max((frame_range.num_frames for frame_range in ranges), default=0)
        raise TooFewFramesError(
            f"{dataset.folder} has no {clip_length} consecutive {split} frames ({num_context_frames} context frames "
            f"and {num_frames} to compare); the longest clip has {max_length}.",
            f"Set --frames {max_length - num_context_frames}."
            if max_length > num_context_frames
            else "Set --split all, or prepare a longer video.",
        )
    return clip_ranges


def open_dataset_input(
    folder: Path, split: Split, checkpoint: CheckpointFile, *, num_context_frames: int, num_frames: int
) -> ForecastInput:
    """Consecutive clips of a split, each with `num_context_frames` and the `num_frames` that follow.

    Raises TooFewFramesError and the errors of `open_data_for_checkpoint`.
    """
    metadata = checkpoint.metadata
    training_data = open_data_for_checkpoint(folder, metadata, checkpoint.path)
    dataset = training_data.dataset
    clip_ranges = forecast_ranges(training_data, split, num_context_frames=num_context_frames, num_frames=num_frames)

    def iterate_clips() -> Iterator[ForecastClip]:
        for clip_range in clip_ranges:
            clip = load_clip(dataset, training_data.conditioners, ClipSpec(training_data.view, clip_range))
            conditions, frames = clip.conditions[0].float(), clip.frames[0]
            yield ForecastClip(
                conditions[:num_context_frames],
                frames[:num_context_frames],
                conditions[num_context_frames:],
                frames[num_context_frames:],
            )

    return ForecastInput(training_data.conditioners, dataset.fps, iterate_clips(), len(clip_ranges))


def open_video_input(
    path: Path,
    options: ConditionerOptions,
    checkpoint: CheckpointFile,
    *,
    num_context_frames: int,
    emit: EventHandler,
) -> ForecastInput:
    """The last frames of a video or label video. Raises TooFewFramesError and the errors of `transfer`."""
    conditioners = load_source_conditioners(checkpoint.metadata, options)
    if options or not all(conditioner.has_detector for conditioner in conditioners):
        source = open_label_sources(path, checkpoint.metadata, checkpoint.path, options)[0]
    else:
        source = SourceVideo(path, open_source_reader(path, checkpoint.metadata), conditioners)
    clip = _last_clip(source, checkpoint, num_context_frames, emit)
    return ForecastInput(source.conditioners, source.reader.fps, iter([clip]), 1)


def _last_clip(
    source: SourceVideo, checkpoint: CheckpointFile, num_context_frames: int, emit: EventHandler
) -> ForecastClip:
    """The last frames of the last shot. Only these are held in memory."""
    metadata, reader = checkpoint.metadata, source.reader
    statistics = merge_statistics(source.scan(emit).statistics)
    view = crop_view(reader.height, reader.width, metadata.output_size, metadata.crop, statistics)
    conditions: deque[Tensor] = deque(maxlen=num_context_frames)
    frames: deque[Tensor] = deque(maxlen=num_context_frames)
    views = [view] * len(source.conditioners)
    with closing(prefetch(source.annotate(), depth=4)) as annotated_frames:
        for annotated_frame in annotated_frames:
            assert annotated_frame.frame is not None
            if annotated_frame.is_cut:
                conditions.clear()
                frames.clear()
            channels = render_conditions(source.conditioners, annotated_frame.annotations, views)
            conditions.append(torch.from_numpy(channels).float())
            frames.append(frame_to_tensor(view_image(annotated_frame.frame, view)))
    if len(conditions) < num_context_frames:
        raise TooFewFramesError(
            f"the last shot of {source.path} has {len(conditions)} frames; {num_context_frames} are required.",
            "Use a longer video.",
        )
    return ForecastClip(torch.stack(list(conditions)), torch.stack(list(frames)))
