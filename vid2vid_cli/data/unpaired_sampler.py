"""Training clips of two domains, drawn independently."""

from __future__ import annotations

from collections.abc import Sequence

from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.clip_sampler import ClipSampler

DOMAIN_B_SEED = 1 << 32
"""Added to the seed of domain B, so that two datasets of the same length do not get the same frames."""


class UnpairedSampler(ClipSampler):
    """Samples domain A like a `ClipSampler`, and domain B independently of it.

    In a batch, `conditions` are frames of A and `frames` are frames of B, both (b, t, 3, h, w) in [-1, 1].
    """

    def __init__(self, domain_a: ClipSampler, domain_b: ClipSampler) -> None:
        """The conditions of both samplers are their frames (FRAME_CONDITIONER); `domain_b` has its own seed."""
        vars(self).update(vars(domain_a))
        self.domain_b = domain_b
        self.max_range_length = min(domain_a.max_range_length, domain_b.max_range_length)

    def sample_batch(self, step: int, length: int, indices: Sequence[int] | None = None, repeats: int = 1) -> ClipBatch:
        """The batch of `step`: clips of `length` frames of each domain; parameters as in `ClipSampler`."""
        clips_a = super().sample_batch(step, length, indices, repeats)
        clips_b = self.domain_b.sample_batch(step, length, indices, repeats)
        return ClipBatch(clips_a.frames, clips_b.frames)
