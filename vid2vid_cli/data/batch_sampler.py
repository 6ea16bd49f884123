"""Training batches as a function of the step, so that a resumed run gets the same ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from itertools import count

import numpy as np
import torch

from vid2vid_cli.core.prefetch import prefetch_map
from vid2vid_cli.core.types import ClipBatch, ClipReferences


class BatchSampler(ABC):
    """Samples batches of clips; a batch depends on the seed, the step and the length only."""

    seed: int
    batch_size: int
    max_range_length: int
    """Number of frames of the longest clip that can be sampled."""

    @abstractmethod
    def load_random_clip(self, length: int, rng: np.random.Generator) -> ClipBatch:
        """A random training clip of `length` frames as a batch of one."""

    def sample_batch(self, step: int, length: int, indices: Sequence[int] | None = None, repeats: int = 1) -> ClipBatch:
        """The batch of `step` with clips of `length` frames; (b, t, c, h, w) and (b, t, 3, h, w).

        `indices` selects clips of the batch; clips are sampled independently, so several processes can share a batch.
        `repeats` is the number of clips sampled per index.
        """
        clips = []
        for batch_index in range(self.batch_size) if indices is None else indices:
            for clip_index in range(batch_index * repeats, (batch_index + 1) * repeats):
                clips.append(self.load_random_clip(length, np.random.default_rng([self.seed, step, clip_index])))
        return collate(clips)

    def iter_batches(
        self,
        start_step: int,
        length: Callable[[int], int],
        indices: Sequence[int] | None = None,
        *,
        repeats: Callable[[int], int] = lambda step: 1,
        num_threads: int = 0,
    ) -> Generator[ClipBatch, None, None]:
        """Yield the batches of `start_step`, `start_step` + 1, ... without end; other parameters as in `sample_batch`.

        With `num_threads`, threads prefetch up to `num_threads` + 1 batches; with 0, batches are loaded on demand.
        """

        def sample_step(step: int) -> ClipBatch:
            return self.sample_batch(step, length(step), indices, repeats(step))

        if num_threads:
            yield from prefetch_map(sample_step, count(start_step), num_threads, num_threads + 1)
        yield from map(sample_step, count(start_step))


class MixedSampler(BatchSampler):
    """Samples each clip, with its references, from one of several datasets; `weights` are their shares."""

    def __init__(self, samplers: Sequence[BatchSampler], weights: Sequence[float]) -> None:
        self.samplers = tuple(samplers)
        self.seed, self.batch_size = samplers[0].seed, samplers[0].batch_size
        # Longer clips would be drawn from some datasets only, whatever the weights.
        self.max_range_length = min(sampler.max_range_length for sampler in samplers)
        self.shares = np.array(weights, dtype=np.float64) / sum(weights)

    def load_random_clip(self, length: int, rng: np.random.Generator) -> ClipBatch:
        """A random clip of a random dataset as a batch of one."""
        return self.samplers[rng.choice(len(self.samplers), p=self.shares)].load_random_clip(length, rng)


def collate(clips: Sequence[ClipBatch]) -> ClipBatch:
    """Concatenate clips of equal length to one batch."""
    if len(clips) == 1:
        return clips[0]
    boxes = {name: torch.cat([clip.regions[name] for clip in clips]) for name in clips[0].regions}
    instances = [clip.instances for clip in clips if clip.instances is not None]
    rgb_frames = [clip.rgb_frames for clip in clips if clip.rgb_frames is not None]
    attributes = [clip.attributes for clip in clips if clip.attributes is not None]
    references = [clip.references for clip in clips if clip.references is not None]
    return ClipBatch(
        torch.cat([clip.conditions for clip in clips]),
        torch.cat([clip.frames for clip in clips]),
        regions=boxes,
        instances=torch.cat(instances) if instances else None,
        rgb_frames=torch.cat(rgb_frames) if rgb_frames else None,
        attributes=torch.cat(attributes) if attributes else None,
        references=ClipReferences.concatenate(references) if references else None,
    )
