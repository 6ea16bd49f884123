"""Clips for training: drawn by step, so that a resumed run sees exactly what an uninterrupted one would have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Channels, Conditioner, View, view_image
from vid2vid_cli.conditioning.instances import InstanceReader
from vid2vid_cli.core.errors import TooShortError
from vid2vid_cli.core.prefetch import ahead_by_threads
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.augmentation import AS_IT_IS, Take, Variation
from vid2vid_cli.data.dataset import Dataset, Span, Split
from vid2vid_cli.data.regions import region_boxes


def render_conditions(
    conditioners: Sequence[Conditioner], annotations: Sequence[Annotation], views: Sequence[View]
) -> Channels:
    """The channels of all conditioners for one frame, one below the other, (c, h, w) in [-1, 1]: float32 or int8.

    Each through its own view, all of one size: what was brought to a target lies in the target's frames, the rest in
    the source's.
    """
    drawn = [c.render(a, view) for c, a, view in zip(conditioners, annotations, views, strict=True)]
    return drawn[0] if len(drawn) == 1 else np.concatenate(drawn)


def frame_tensor(frame: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 (h, w, 3) -> (3, h, w) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))).float().div_(127.5).sub_(1)


def usable_runs(dataset: Dataset, names: Sequence[str], split: Split) -> list[Span]:
    """The longest stretches of a split on which every conditioner found something on every frame."""
    runs = []
    for span in dataset.clips(split):
        found = np.ones(span.last - span.first, dtype=bool)
        for name in names:
            found &= dataset.quality(span.clip, name)[span.first : span.last] > 0
        edges = np.flatnonzero(np.diff(np.concatenate([[0], found.astype(np.int8), [0]])))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            runs.append(Span(span.clip, span.first + int(first), span.first + int(last)))
    return runs


def read_clip(
    dataset: Dataset,
    conditioners: Sequence[Conditioner],
    take: Take,
    random: np.random.Generator | None = None,
    regions: Sequence[str] = (),
    things: Collection[int] | None = None,
) -> ClipBatch:
    """A part of a dataset as a batch of one; with `random`, annotations are varied as their options say.

    With `things`, the classes whose regions are told apart, the instances of its frames are there too.
    """
    view = take.view.mirrored(dataset.width) if take.mirrored else take.view
    spans = [Span(take.span.clip, index, index + 1) for index in take.frames]
    found: list[Sequence[Annotation]] = [dataset.annotations(spans, c.spec.name) for c in conditioners]
    if take.mirrored:
        found = [list(map(c.mirror, annotations)) for c, annotations in zip(conditioners, found, strict=True)]
    boxes = region_boxes(conditioners, found, view, regions)
    if random is not None:
        found = [c.augment(annotations, random) for c, annotations in zip(conditioners, found, strict=True)]
    views = [view] * len(conditioners)
    read = None if things is None else InstanceReader(conditioners, views, things)
    conditions, frames, instances = [], [], []
    for index, annotations_of_frame in zip(take.frames, zip(*found, strict=True), strict=True):
        conditions.append(torch.from_numpy(render_conditions(conditioners, annotations_of_frame, views)))
        if read is not None:
            instances.append(torch.from_numpy(read(annotations_of_frame)))
        frame = dataset.frame(take.span.clip, index)
        whole = np.ascontiguousarray(frame[:, ::-1]) if take.mirrored else frame
        frames.append(frame_tensor(view_image(whole, view)))
    objects = torch.stack(instances)[None] if instances else None
    return ClipBatch(torch.stack(conditions)[None], torch.stack(frames)[None], boxes, objects)


class ClipSampler:
    """Draws batches of clips from a dataset; a draw depends on the seed, the step and the length alone."""

    def __init__(
        self,
        dataset: Dataset,
        conditioners: Sequence[Conditioner],
        view: View,
        *,
        seed: int,
        batch: int,
        vary: Variation = AS_IT_IS,
        regions: Sequence[str] = (),
        things: Collection[int] | None = None,
        of_labels: bool = False,
    ) -> None:
        self.dataset = dataset
        self.conditioners = tuple(conditioners)
        self.view = view
        self.seed = seed
        self.batch = batch
        self.vary = vary
        self.regions = tuple(regions)
        """Names of those whose places come with the clips."""
        self.things = things
        """With the clips come their instances, of these classes each region by itself; None: none come."""
        self.of_labels = of_labels
        """Whether the conditions are what is to be drawn."""
        self.runs = usable_runs(dataset, [c.spec.name for c in conditioners], "train")
        self.longest = max((run.last - run.first for run in self.runs), default=0)
        """Frames of the longest clip there is."""
        if self.longest < 2:
            raise TooShortError(
                f"{dataset.folder} has no two consecutive frames to learn from on which something was found",
                "Prepare a longer video, or one that shows more of the subject.",
            )

    def draw(self, step: int, length: int, own: Sequence[int] | None = None, each: int = 1) -> ClipBatch:
        """The batch of `step`, clips of `length` frames; (b, t, c, h, w) and (b, t, 3, h, w).

        With `own`, only the clips of these numbers: each is drawn for itself, so that several processes may share one.
        `each`: how many stand in the place of one.
        """
        clips = []
        for place in range(self.batch) if own is None else own:
            for number in range(place * each, (place + 1) * each):
                random = np.random.default_rng([self.seed, step, number])
                clips.append(self._read(self.take(length, random), random, self.regions))
        return _together(clips)

    def stream(
        self,
        step: int,
        length: Callable[[int], int],
        own: Sequence[int] | None = None,
        *,
        each: Callable[[int], int] = lambda step: 1,
        threads: int = 0,
    ) -> Generator[ClipBatch, None, None]:
        """The batches of `step`, `step` + 1, ... without end; of `own` clips, and `each` in place of one, as in `draw`.

        Each when it is asked for, or drawn ahead by so many threads, which keep no more than one each and one more.
        """

        def draw(step: int) -> ClipBatch:
            return self.draw(step, length(step), own, each(step))

        if threads:
            yield from ahead_by_threads(draw, count(step), threads, threads + 1)
        yield from map(draw, count(step))

    def take(self, length: int, random: np.random.Generator) -> Take:
        """Which frames the next clip is made of, each start being as likely as any other, and how they are seen."""
        fitting = [run for run in self.runs if run.frames >= length]
        starts = np.array([run.frames - length + 1 for run in fitting], dtype=np.float64)
        run = fitting[random.choice(len(fitting), p=starts / starts.sum())]
        return self.vary.take(run, length, self.view, (self.dataset.height, self.dataset.width), random)

    def span(self, span: Span) -> ClipBatch:
        """A stretch as it is, without augmentation, as a batch of one."""
        return self._read(Take(self.view, span))

    def _read(self, take: Take, random: np.random.Generator | None = None, regions: Sequence[str] = ()) -> ClipBatch:
        clip = read_clip(self.dataset, self.conditioners, take, random, regions, self.things)
        return clip.of_labels() if self.of_labels else clip


def _together(clips: Sequence[ClipBatch]) -> ClipBatch:
    """Clips of equal length, one below the other."""
    if len(clips) == 1:
        return clips[0]
    boxes = {name: torch.cat([clip.regions[name] for clip in clips]) for name in clips[0].regions}
    found = [clip.instances for clip in clips if clip.instances is not None]
    watched = [clip.watched for clip in clips if clip.watched is not None]
    return ClipBatch(
        torch.cat([clip.conditions for clip in clips]),
        torch.cat([clip.frames for clip in clips]),
        boxes,
        torch.cat(found) if found else None,
        torch.cat(watched) if watched else None,
    )
