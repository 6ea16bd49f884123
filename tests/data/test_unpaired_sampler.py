"""Independent draws from two domains."""

from __future__ import annotations

from pathlib import Path

import torch
from helpers.factories import tiny_sampler

from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.unpaired_sampler import DOMAIN_B_SEED, UnpairedSampler


def frame_sampler(dataset: Path, seed: int) -> ClipSampler:
    edges = tiny_sampler(dataset)
    return ClipSampler(edges.dataset, load_conditioners([("none", {})]), edges.view, seed=seed, batch_size=1)


def test_batch_has_frames_of_both_domains(dataset: Path) -> None:
    sampler = UnpairedSampler(frame_sampler(dataset, 0), frame_sampler(dataset, DOMAIN_B_SEED))
    batch = sampler.sample_batch(0, 1)
    assert batch.conditions.shape == batch.frames.shape == (1, 1, 3, 24, 24)
    assert batch.conditions.is_floating_point()


def test_domains_are_drawn_independently(dataset: Path) -> None:
    """Also from two equal datasets: frames of the same index would be pairs."""
    sampler = UnpairedSampler(frame_sampler(dataset, 0), frame_sampler(dataset, DOMAIN_B_SEED))
    batches = [sampler.sample_batch(step, 1) for step in range(20)]
    num_equal = sum(torch.equal(batch.conditions, batch.frames) for batch in batches)
    assert num_equal < 5


def test_batch_depends_on_the_step_only(dataset: Path) -> None:
    first, second = (UnpairedSampler(frame_sampler(dataset, 0), frame_sampler(dataset, 1)) for _ in range(2))
    first.sample_batch(3, 2)
    for a, b in zip(vars(first.sample_batch(7, 2)).values(), vars(second.sample_batch(7, 2)).values(), strict=True):
        assert not isinstance(a, torch.Tensor) or torch.equal(a, b)
