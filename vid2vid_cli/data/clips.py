"""Clips for training: drawn by step, so that a resumed run sees exactly what an uninterrupted one would have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner, Floats, View, view_image
from vid2vid_cli.core.errors import TooShortError
from vid2vid_cli.core.nouns import ClipBatch
from vid2vid_cli.data.dataset import Dataset, Span, Split
from vid2vid_cli.data.regions import region_boxes


def render_conditions(
    conditioners: Sequence[Conditioner], annotations: Sequence[Annotation], views: Sequence[View]
) -> Floats:
    """The channels of all conditioners for one frame, one below the other, (c, h, w) in [-1, 1].

    Each through its own view, all of one size: what was brought to a target lies in the target's frames, the rest in
    the source's.
    """
    drawn = [c.render(a, view) for c, a, view in zip(conditioners, annotations, views, strict=True)]
    return np.concatenate(drawn).astype(np.float32, copy=False)


def frame_tensor(frame: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 (h, w, 3) -> (3, h, w) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))).float() / 127.5 - 1


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
    view: View,
    span: Span,
    random: np.random.Generator | None = None,
    regions: Sequence[str] = (),
) -> ClipBatch:
    """A stretch of a dataset as a batch of one; with `random`, annotations are varied as their options say."""
    found: list[Sequence[Annotation]] = [dataset.annotations([span], c.spec.name) for c in conditioners]
    boxes = region_boxes(conditioners, found, view, regions)
    if random is not None:
        found = [c.augment(annotations, random) for c, annotations in zip(conditioners, found, strict=True)]
    views = [view] * len(conditioners)
    conditions, frames = [], []
    for index, annotations_of_frame in enumerate(zip(*found, strict=True), start=span.first):
        conditions.append(torch.from_numpy(render_conditions(conditioners, annotations_of_frame, views)))
        frames.append(frame_tensor(view_image(dataset.frame(span.clip, index), view)))
    return ClipBatch(torch.stack(conditions)[None], torch.stack(frames)[None], boxes)


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
        shift: float = 0.0,
        zoom: float = 0.0,
        regions: Sequence[str] = (),
    ) -> None:
        self.dataset = dataset
        self.conditioners = tuple(conditioners)
        self.view = view
        self.seed = seed
        self.batch = batch
        self.shift = shift
        self.zoom = zoom
        self.regions = tuple(regions)
        """Names of those whose places come with the clips."""
        self.runs = usable_runs(dataset, [c.spec.name for c in conditioners], "train")
        self.longest = max((run.last - run.first for run in self.runs), default=0)
        """Frames of the longest clip there is."""
        if self.longest < 2:
            raise TooShortError(
                f"{dataset.folder} has no two consecutive frames to learn from on which something was found",
                "Prepare a longer video, or one that shows more of the subject.",
            )

    def draw(self, step: int, length: int) -> ClipBatch:
        """The batch of `step`, clips of `length` frames; (b, t, c, h, w) and (b, t, 3, h, w)."""
        random = np.random.default_rng([self.seed, step])
        fitting = [run for run in self.runs if run.last - run.first >= length]
        starts = np.array([run.last - run.first - length + 1 for run in fitting], dtype=np.float64)
        clips = []
        for _ in range(self.batch):
            run = fitting[random.choice(len(fitting), p=starts / starts.sum())]
            first = run.first + int(random.integers(run.last - run.first - length + 1))
            span, view = Span(run.clip, first, first + length), self._vary(random)
            clips.append(read_clip(self.dataset, self.conditioners, view, span, random, self.regions))
        conditions, frames = zip(*((clip.conditions, clip.frames) for clip in clips), strict=True)
        boxes = {name: torch.cat([clip.regions[name] for clip in clips]) for name in self.regions}
        return ClipBatch(torch.cat(conditions), torch.cat(frames), boxes)

    def stream(self, step: int, length: Callable[[int], int]) -> Iterator[ClipBatch]:
        """The batches of `step`, `step` + 1, ... without end."""
        while True:
            yield self.draw(step, length(step))
            step += 1

    def span(self, span: Span) -> ClipBatch:
        """A stretch as it is, without augmentation, as a batch of one."""
        return read_clip(self.dataset, self.conditioners, self.view, span)

    def _vary(self, random: np.random.Generator) -> View:
        """The view with a random zoom about its centre and a random shift, the same for a whole clip."""
        scale = 1.0 + random.uniform(-self.zoom, self.zoom)
        shift = random.uniform(-self.shift, self.shift, 2) * (self.view.width, self.view.height)
        centre = np.array([self.view.width - 1, self.view.height - 1]) / 2
        offset = centre * (1 - scale) + shift
        return self.view.then(np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]]))
