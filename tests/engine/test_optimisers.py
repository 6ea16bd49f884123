"""Learning rates, betas and decay of the optimisers during training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine.test_regions import boxes_at, clip_with_regions, region_config
from helpers.factories import CPU, copy_weights, random_clips, tensors_equal, tiny_config, tiny_state

from vid2vid_cli.config.config import Config, OptimizerConfig
from vid2vid_cli.config.losses import LossConfig
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import load_train_state, save_train_state
from vid2vid_cli.engine.step import train_step

LEARNING_RATES = {"lr": 4e-4, "discriminator_lr": 1e-3}
DECAY_SCHEDULE = {"lr_decay_start": 1, "lr_decay_steps": 4, "freeze_coarse_steps": 2}


def adam_settings(state: TrainState) -> list[tuple[float, tuple[float, float]]]:
    """(lr, betas) of the generator's and the discriminators' optimiser, the same for all groups of one optimiser."""
    settings = []
    for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
        ((lr, betas),) = {(group["lr"], tuple(group["betas"])) for group in optimizer.param_groups}
        settings.append((lr, betas))
    return settings


def test_ttur_scales_learning_rates() -> None:
    """As published: half the generator's lr, twice the discriminators', betas 0 and 0.9."""
    config = OptimizerConfig(lr=4e-4, discriminator_lr=1e-3, beta1=0.3, beta2=0.99)
    assert (config.generator[:2], config.discriminators[:2]) == ((4e-4, (0.3, 0.99)), (1e-3, (0.3, 0.99)))
    config = OptimizerConfig(lr=4e-4, discriminator_lr=1e-3, beta1=0.3, beta2=0.99, ttur=True)
    assert (config.generator[:2], config.discriminators[:2]) == ((2e-4, (0.0, 0.9)), (2e-3, (0.0, 0.9)))


@pytest.mark.parametrize(
    ("ttur", "learning_rates", "betas"), [(False, (4e-4, 1e-3), (0.5, 0.999)), (True, (2e-4, 2e-3), (0, 0.9))]
)
def test_learning_rates_keep_ratio_during_decay(
    ttur: bool, learning_rates: tuple[float, float], betas: tuple[float, float]
) -> None:
    """With frozen coarse scales, after they are unfrozen, and during the decay."""
    config = tiny_config(
        optimizer={**LEARNING_RATES, "ttur": ttur},
        data={"height": 32},
        generator={"num_scales": 2},
        schedule=DECAY_SCHEDULE,
    )
    context, state = tiny_state(config)
    assert adam_settings(state) == [(learning_rates[0], betas), (learning_rates[1], betas)]
    for factor in (1.0, 1.0, 0.75, 0.5, 0.25, 0.0):
        train_step(context, state, random_clips(size=32))
        for (lr, current_betas), initial_lr in zip(adam_settings(state), learning_rates, strict=True):
            assert lr == pytest.approx(initial_lr * factor)
            assert current_betas == betas


def test_lr_decay_applies_to_all_discriminators() -> None:
    """Image, temporal and region discriminators change at the full lr, and do not at the lr 0."""
    config = region_config(schedule={"lr_decay_start": 0, "lr_decay_steps": 1, "frames_per_update": 7})
    context, state = tiny_state(config)
    batch = clip_with_regions(face=boxes_at(9), hands=boxes_at(3, 20))
    batch = replace(
        batch,
        conditions=batch.conditions.repeat(1, 2, 1, 1, 1),
        frames=batch.frames.repeat(1, 2, 1, 1, 1),
        regions={name: boxes.repeat(1, 2, 1, 1) for name, boxes in batch.regions.items()},
    )
    discriminators = {
        "image": state.image_discriminator,
        **state.temporal_discriminators,
        **state.region_discriminators,
    }
    assert list(discriminators) == ["image", "1", "3", "face", "hands"]
    for is_trained in (True, False):
        before = {name: copy_weights(network) for name, network in discriminators.items()}
        train_step(context, state, batch)
        changed = {
            name: not tensors_equal(copy_weights(network), before[name]) for name, network in discriminators.items()
        }
        assert changed == dict.fromkeys(discriminators, is_trained)


def test_resumed_state_keeps_learning_rates(tmp_path: Path) -> None:
    config = tiny_config(
        optimizer={**LEARNING_RATES, "ttur": True}, schedule={"lr_decay_start": 0, "lr_decay_steps": 4}
    )
    context, state = tiny_state(config)
    for _ in range(2):
        train_step(context, state, clip_with_regions())
    _, resumed = tiny_state(config)
    load_train_state(save_train_state(tmp_path, state, {}), resumed, CPU)
    assert adam_settings(resumed) == adam_settings(state)
    train_step(context, resumed, clip_with_regions())
    assert adam_settings(resumed) == [(pytest.approx(1e-4), (0.0, 0.9)), (pytest.approx(1e-3), (0.0, 0.9))]


def train_one_step(config: Config) -> tuple[dict[str, float], TrainState]:
    context, state = tiny_state(config)
    return train_step(context, state, clip_with_regions(face=boxes_at(9))), state


def test_gan_mode_applies_to_all_discriminators() -> None:
    """One update of the same networks gives different losses and different weights."""
    schedule = {"frames_per_update": 4}
    (lsgan, lsgan_state), (hinge, hinge_state) = (
        train_one_step(region_config(losses={"gan_mode": gan_mode}, schedule=schedule))
        for gan_mode in ("lsgan", "hinge")
    )
    term_names = [name for name in lsgan if "adversarial" in name or "_discriminator" in name]
    assert len(term_names) == 6
    assert all(lsgan[name] != hinge[name] for name in term_names)
    for name in ("generator", "image_discriminator", "temporal_discriminators", "region_discriminators"):
        assert not tensors_equal(copy_weights(getattr(lsgan_state, name)), copy_weights(getattr(hinge_state, name)))
    # Feature matching does not depend on the GAN mode, and the networks are the same before the update.
    assert lsgan["feature_matching"] == hinge["feature_matching"]
    # The hinge loss of the generator is -E[s], the least-squares loss E[(s - 1)^2] >= 1 - 2 E[s].
    assert lsgan["region_adversarial"] >= 1 + 2 * hinge["region_adversarial"]


def test_loss_config_rejects_unknown_gan_mode() -> None:
    with pytest.raises(ValueError, match="lsgan"):
        LossConfig(gan_mode="original")  # type: ignore[arg-type]


def test_frozen_coarse_scales_have_no_optimizer_state() -> None:
    """Frozen scales are unchanged and have no Adam moments."""
    config = tiny_config(
        data={"height": 32}, generator={"num_scales": 2}, schedule={"freeze_coarse_steps": 1}, optimizer={"ttur": True}
    )
    context, state = tiny_state(config)
    coarse, fine = state.generator.scale_networks
    before = copy_weights(coarse), copy_weights(fine)
    train_step(context, state, random_clips(size=32))
    assert tensors_equal(copy_weights(coarse), before[0])
    assert not tensors_equal(copy_weights(fine), before[1])
    assert not any(weight in state.generator_optimizer.state for weight in coarse.parameters())
    train_step(context, state, random_clips(size=32))
    assert not tensors_equal(copy_weights(coarse), before[0])
    assert torch.isfinite(torch.cat([weight.flatten() for weight in copy_weights(coarse)])).all()
