"""What `predict` goes on with: stretches of a dataset, or the end of a video."""

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
from vid2vid_cli.conditioning.combine import merged_statistics
from vid2vid_cli.core.errors import TooShortError
from vid2vid_cli.core.prefetch import ahead
from vid2vid_cli.data.augmentation import Take
from vid2vid_cli.data.clip_sampler import frame_tensor, read_clip, render_conditions, usable_runs
from vid2vid_cli.data.cropping import frame_view
from vid2vid_cli.data.dataset import Split
from vid2vid_cli.engine.checkpoint import CheckpointInfo
from vid2vid_cli.engine.events import Tell
from vid2vid_cli.rendering.forecast import Stretch
from vid2vid_cli.rendering.label_video import open_labels
from vid2vid_cli.rendering.source_video import Options, Source, source_conditioners, source_reader
from vid2vid_cli.training_data.training_data import open_for_checkpoint


@dataclass(frozen=True)
class Footage:
    """What is to be gone on with."""

    conditioners: tuple[Conditioner, ...]
    fps: Fraction
    stretches: Iterator[Stretch]
    count: int


def open_dataset(folder: Path, split: Split, info: CheckpointInfo, path: Path, seen: int, count: int) -> Footage:
    """Stretches of a split, one after the other: each `seen` frames, and the `count` after them.

    Raises TooShortError, and as `open_for_checkpoint`; `path` is that of the checkpoint.
    """
    subject = open_for_checkpoint(folder, info, path)
    dataset, whole = subject.dataset, seen + count
    runs = usable_runs(dataset, [use.name for use in info.conditioners], split)
    parts = [
        type(run)(run.clip, first, first + whole)
        for run in runs
        for first in range(run.first, run.last - whole + 1, count)
    ]
    if not parts:
        longest = max((run.frames for run in runs), default=0)
        raise TooShortError(
            f"{folder} has no {whole} {split} frames in a row: {seen} to see and {count} to "
            f"compare with; the longest stretch has {longest}.",
            f"--frames {longest - seen}" if longest > seen else "--split all, or prepare a longer video.",
        )

    def stretches() -> Iterator[Stretch]:
        for part in parts:
            clip = read_clip(dataset, subject.conditioners, Take(subject.view, part))
            planes, pictures = clip.conditions[0].float(), clip.frames[0]
            yield Stretch(planes[:seen], pictures[:seen], planes[seen:], pictures[seen:])

    return Footage(subject.conditioners, dataset.fps, stretches(), len(parts))


def open_video(clip: Path, options: Options, info: CheckpointInfo, path: Path, seen: int, tell: Tell) -> Footage:
    """The last `seen` frames of a video, or of a label video. Raises TooShortError, and as `transfer`."""
    conditioners = source_conditioners(info, options)
    if options or not all(one.finds for one in conditioners):
        source = open_labels(clip, info, path, options)[0]
    else:
        source = Source(clip, source_reader(clip, info), conditioners)
    return Footage(source.conditioners, source.reader.fps, iter([_end_of(source, info, seen, tell)]), 1)


def _end_of(source: Source, info: CheckpointInfo, seen: int, tell: Tell) -> Stretch:
    """The last frames; no more are held than these, and none from before a cut."""
    statistics, reader = merged_statistics(source.look(tell).statistics), source.reader
    view = frame_view(reader.height, reader.width, info.picture, info.crop, statistics)
    planes: deque[Tensor] = deque(maxlen=seen)
    pictures: deque[Tensor] = deque(maxlen=seen)
    views = [view] * len(source.conditioners)
    with closing(ahead(source.found(), depth=4)) as found:
        for one in found:
            if one.cut:
                planes.clear()
                pictures.clear()
            planes.append(torch.from_numpy(render_conditions(source.conditioners, one.annotations, views)).float())
            pictures.append(frame_tensor(view_image(one.frame, view)))
    if len(planes) < seen:
        raise TooShortError(
            f"the last shot of {source.path} has {len(planes)} frames, and {seen} must be seen.", "Give a longer video."
        )
    return Stretch(torch.stack(list(planes)), torch.stack(list(pictures)))
