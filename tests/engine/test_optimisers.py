"""The optimisers' own numbers, read off them while training: two time scales, decay, and what keeps to both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine.test_regions import clip, places, regional
from helpers.factories import CPU, same, some_clips, tiny_config, tiny_state, weights_of

from vid2vid_cli.config.config import Config, OptimizerConfig
from vid2vid_cli.config.discriminators import LossConfig
from vid2vid_cli.engine.checkpoint import load_state, save_state
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import train_step

RATES = {"rate": 4e-4, "discriminator_rate": 1e-3}
FALLING = {"decay_from": 1, "decay_steps": 4, "fix_global": 2}


def settings(state: TrainState) -> list[tuple[float, tuple[float, float]]]:
    """Rate and betas of the generator's optimiser and the discriminators'; all groups of one have the same."""
    found = []
    for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
        ((rate, betas),) = {(group["lr"], tuple(group["betas"])) for group in optimizer.param_groups}
        found.append((rate, betas))
    return found


def test_two_time_scales_are_half_and_twice() -> None:
    """As published: half the generator's rate, twice the discriminators', betas 0 and 0.9 (reference, section 3)."""
    own = OptimizerConfig(rate=4e-4, discriminator_rate=1e-3, beta1=0.3, beta2=0.99)
    assert (own.generator, own.discriminators) == ((4e-4, (0.3, 0.99)), (1e-3, (0.3, 0.99)))
    own = own.model_copy(update={"ttur": True})
    assert (own.generator, own.discriminators) == ((2e-4, (0.0, 0.9)), (2e-3, (0.0, 0.9)))


@pytest.mark.parametrize(
    ("ttur", "rates", "betas"), [(False, (4e-4, 1e-3), (0.5, 0.999)), (True, (2e-4, 2e-3), (0, 0.9))]
)
def test_rates_and_betas_stay_different_while_they_fall(
    ttur: bool, rates: tuple[float, float], betas: tuple[float, float]
) -> None:
    """Through the steps in which only the finest scale learns, the one at which all do, and the decay."""
    config = tiny_config(
        optimizer={**RATES, "ttur": ttur}, data={"size": 32}, generator={"scales": 2}, schedule=FALLING
    )
    trainer, state = tiny_state(config)
    assert settings(state) == [(rates[0], betas), (rates[1], betas)]
    for factor in (1.0, 1.0, 0.75, 0.5, 0.25, 0.0):
        train_step(trainer, state, some_clips(size=32))
        for (rate, seen), wanted in zip(settings(state), rates, strict=True):
            assert rate == pytest.approx(wanted * factor)
            assert seen == betas


def test_every_discriminator_learns_and_stops_with_the_decay() -> None:
    """The image's, those of each frame rate, and those of the regions: none keeps its rate when the others fall."""
    config = regional(schedule={"decay_from": 0, "decay_steps": 1, "frames_per_update": 7})
    trainer, state = tiny_state(config)
    batch = clip(face=places(9), hands=places(3, 20))
    batch = replace(
        batch,
        conditions=batch.conditions.repeat(1, 2, 1, 1, 1),
        frames=batch.frames.repeat(1, 2, 1, 1, 1),
        regions={name: boxes.repeat(1, 2, 1, 1) for name, boxes in batch.regions.items()},
    )
    judges = {"image": state.discriminator, **state.temporal, **state.region}
    assert list(judges) == ["image", "1", "3", "face", "hands"]
    for moves in (True, False):
        before = {name: weights_of(judge) for name, judge in judges.items()}
        train_step(trainer, state, batch)
        moved = {name: not same(weights_of(judge), before[name]) for name, judge in judges.items()}
        assert moved == dict.fromkeys(judges, moves)


def test_a_resumed_run_has_the_same_two_time_scales(tmp_path: Path) -> None:
    config = tiny_config(optimizer={**RATES, "ttur": True}, schedule={"decay_from": 0, "decay_steps": 4})
    trainer, state = tiny_state(config)
    for _ in range(2):
        train_step(trainer, state, clip())
    _, other = tiny_state(config)
    load_state(save_state(tmp_path, state, {}), other, CPU)
    assert settings(other) == settings(state)
    train_step(trainer, other, clip())
    assert settings(other) == [(pytest.approx(1e-4), (0.0, 0.9)), (pytest.approx(1e-3), (0.0, 0.9))]


def trained(config: Config) -> tuple[dict[str, float], TrainState]:
    trainer, state = tiny_state(config)
    return train_step(trainer, state, clip(face=places(9))), state


def test_both_flavours_are_real_choices_for_every_discriminator() -> None:
    """One update of the same networks: other losses on both sides, and other weights afterwards."""
    every = {"frames_per_update": 4}
    (squares, one), (hinge, other) = (
        trained(regional(losses={"gan": gan}, schedule=every)) for gan in ("least_squares", "hinge")
    )
    judged = [name for name in squares if "adversarial" in name or "discriminator" in name]
    assert len(judged) == 6
    assert all(squares[name] != hinge[name] for name in judged)
    for name in ("generator", "discriminator", "temporal", "region"):
        assert not same(weights_of(getattr(one, name)), weights_of(getattr(other, name)))
    # Features are matched alike: the networks are the same when they are first asked.
    assert squares["feature_matching"] == hinge["feature_matching"]
    # The generator's hinge loss is minus the mean score, its squares are the mean of (score - 1)^2: at least 1 - 2 s.
    assert squares["region_adversarial"] >= 1 + 2 * hinge["region_adversarial"]


def test_no_other_flavour_is_taken_for_one_of_them() -> None:
    with pytest.raises(ValueError, match="least_squares"):
        LossConfig(gan="original")  # type: ignore[arg-type]


def test_what_is_frozen_has_no_gradient_left() -> None:
    """Coarser scales, while only the finest learns, are neither moved nor counted as having moved."""
    config = tiny_config(
        data={"size": 32}, generator={"scales": 2}, schedule={"fix_global": 1}, optimizer={"ttur": True}
    )
    trainer, state = tiny_state(config)
    coarse, fine = state.generator.networks
    before = weights_of(coarse), weights_of(fine)
    train_step(trainer, state, some_clips(size=32))
    assert same(weights_of(coarse), before[0])
    assert not same(weights_of(fine), before[1])
    assert not any(weight in state.generator_optimizer.state for weight in coarse.parameters())
    train_step(trainer, state, some_clips(size=32))
    assert not same(weights_of(coarse), before[0])
    assert torch.isfinite(torch.cat([weight.flatten() for weight in weights_of(coarse)])).all()
