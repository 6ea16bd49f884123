"""Beginning with another run's weights: what is taken over, what is new, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.factories import same, some_clips, tiny_config, tiny_state, weights_of

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import RunError
from vid2vid_cli.engine.checkpoint import save_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.warm_start import grow
from vid2vid_cli.ops.resample import halve


def config(size: int, scales: int, **generator: int) -> Config:
    return tiny_config(
        data={"size": size},
        generator={"width": 8, "scales": scales, **generator},
        discriminator={"scales": scales},
        temporal={"scales": scales},
    )


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    """The state of a run at half the size, two steps in."""
    trainer, state = tiny_state(config(24, 1))
    for step in range(2):
        train_step(trainer, state, some_clips(step))
    return save_state(tmp_path, state, {})


def test_what_was_learned_at_half_the_size_is_the_coarse_part_of_the_whole(learned: Path) -> None:
    (_, small), (_, large) = tiny_state(config(24, 1)), tiny_state(config(48, 2))
    small.load_state_dict(torch.load(learned / "state.pt", weights_only=True)["state"])
    fresh = weights_of(large.generator.networks[1])
    grown = grow(large, learned)
    assert grown.new == (
        "generator.networks.1",
        "discriminator.copies.48",
        "temporal.1.copies.48",
        "temporal.3.copies.48",
    )
    assert same(weights_of(large.generator.networks[0]), weights_of(small.generator.networks[0]))
    assert same(weights_of(large.average.networks[0]), weights_of(small.average.networks[0]))
    assert same(weights_of(large.average.networks[1]), fresh)
    assert same(weights_of(large.discriminator.copies["24"]), weights_of(small.discriminator.copies["24"]))
    assert not same(weights_of(small.average), weights_of(small.generator))
    window, past = torch.rand(1, 3, 1, 48, 48), torch.rand(1, 2, 3, 48, 48)
    coarse = large.generator(window, [past, halve(past[0])[None]]).coarse[0]
    smaller = torch.stack([halve(frame) for frame in window.unbind(1)], 1)
    assert torch.equal(coarse, small.generator(smaller, [halve(past[0])[None]]).image)


def test_while_the_global_part_is_fixed_only_the_finest_moves(learned: Path) -> None:
    whole = config(48, 2)
    trainer, state = tiny_state(
        whole.model_copy(update={"schedule": whole.schedule.model_copy(update={"fix_global": 1})})
    )
    grow(state, learned)
    before = [weights_of(network) for network in state.generator.networks]
    train_step(trainer, state, some_clips(9, size=48))
    assert [same(a, weights_of(b)) for a, b in zip(before, state.generator.networks, strict=True)] == [True, False]
    train_step(trainer, state, some_clips(10, size=48))
    assert not same(before[0], weights_of(state.generator.networks[0]))


def test_a_checkpoint_gives_its_generator(run_folder: Path) -> None:
    _, state = tiny_state(tiny_config())
    judge = weights_of(state.discriminator)
    assert grow(state, run_folder / f"{run_folder.name}.ckpt").new[0] == "discriminator.copies.24"
    assert same(weights_of(state.generator), weights_of(state.average))
    assert same(judge, weights_of(state.discriminator))
    assert state.step == 0


def test_where_nothing_fits_it_says_so(run_folder: Path) -> None:
    _, state = tiny_state(tiny_config(generator={"width": 16}))
    with pytest.raises(RunError, match="does not fit"):
        grow(state, run_folder / f"{run_folder.name}.ckpt")
