"""The frame-wise members of the family, and the fast one: one engine trains, resumes, keeps and draws them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engine.test_checkpoint import info
from helpers.factories import CPU, same, some_clips, tiny_config, tiny_state, weights_of

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.model_variants import recipe
from vid2vid_cli.core.types import ConditionLayout
from vid2vid_cli.engine.build import parameter_count
from vid2vid_cli.engine.checkpoint import load_checkpoint, load_state, save_checkpoint, save_state
from vid2vid_cli.engine.inference import generate
from vid2vid_cli.engine.memory_estimate import footprint
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.unet import UNetGenerator
from vid2vid_cli.ops.resample import halve


def config_of(model: str, **sections: dict[str, object]) -> Config:
    """The tiny settings with the recipe of a model over them, as `--set model=` lays it; or by the fast generator."""
    said: dict[str, dict[str, object]] = {}
    if model == "fast":
        said["generator"] = {"kind": "fast", "past": 1, "patch": 2, "downsamples": 2}
    for key, value in recipe({"model": model, "data.size": 24}).items():
        section, _, name = key.partition(".")
        said.setdefault(section, {})[name] = value
    for name, section in sections.items():
        said[name] = {**said.get(name, {}), **section}
    return tiny_config(**said)


MODELS = ("pix2pixhd", "pix2pix")
GENERATORS = {"pix2pixhd": CompositeGenerator, "pix2pix": UNetGenerator, "fast": FastGenerator}


@pytest.mark.parametrize("model", MODELS)
def test_a_frame_depends_on_its_own_condition_alone(model: str) -> None:
    state = tiny_state(config_of(model))[1]
    clip = some_clips(length=4)
    changed = clip.conditions.clone()
    changed[:, 1] *= -1
    before, after = (generate(state.average, conditions, CPU) for conditions in (clip.conditions, changed))
    assert [torch.equal(a.image, b.image) for a, b in zip(before, after, strict=True)] == [True, False, True, True]


@pytest.mark.parametrize("model", MODELS)
def test_no_motion_is_learned_from(model: str) -> None:
    trainer, state = tiny_state(config_of(model, losses={"pixel": 100.0}))
    terms = train_step(trainer, state, some_clips())
    expected = {"adversarial", "pixel", "discriminator"} | ({"feature_matching"} if model == "pix2pixhd" else set())
    assert set(terms) == expected


@pytest.mark.parametrize("model", GENERATORS)
def test_two_and_two_steps_are_four_noise_and_all(model: str, tmp_path: Path) -> None:
    config = config_of(model, data={"size": 64}, generator={"downsamples": {"pix2pix": 6, "fast": 2}.get(model, 1)})

    def go(trainer_and_state: tuple, steps: range) -> None:
        for step in steps:
            torch.manual_seed(step * 17 + len(steps))  # what else was drawn meanwhile must not matter
            train_step(*trainer_and_state, some_clips(step, length=2, size=64))

    whole, half, rest = (tiny_state(config) for _ in range(3))
    if model == "pix2pix":
        assert any(isinstance(part, torch.nn.Dropout) for part in whole[1].generator.modules())
    go(whole, range(4))
    go(half, range(2))
    load_state(save_state(tmp_path, half[1], {}), rest[1], CPU)
    go(rest, range(2, 4))
    assert same(weights_of(rest[1].generator), weights_of(whole[1].generator))
    assert same(weights_of(rest[1].discriminator), weights_of(whole[1].discriminator))


@pytest.mark.parametrize("model", GENERATORS)
def test_a_checkpoint_draws_what_the_run_drew(model: str, tmp_path: Path) -> None:
    config = config_of(model)
    state = tiny_state(config, info().layout.channels)[1]
    save_checkpoint(tmp_path / "one.ckpt", state.average, info(generator=config.generator))
    again, known = load_checkpoint(tmp_path / "one.ckpt", CPU)
    assert isinstance(again, GENERATORS[model])
    assert known.generator == config.generator
    conditions = some_clips(length=2, channels=info().layout.channels).conditions
    for ours, theirs in zip(generate(again, conditions, CPU), generate(state.average, conditions, CPU), strict=True):
        assert torch.equal(ours.image, theirs.image)


@pytest.mark.parametrize("model", GENERATORS)
def test_a_tiny_clip_is_learned(model: str) -> None:
    config = config_of(model, optimizer={"rate": 2e-3, "average": 0.5}, losses={"pixel": 20.0, "adversarial": 0.1})
    trainer, state = tiny_state(config)
    clip = some_clips(length=2)
    losses = [train_step(trainer, state, clip)["pixel"] for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_unet_is_counted_before_it_is_built() -> None:
    config = config_of("pix2pix", engine={"precision": "fp32"})
    found = footprint(config, ConditionLayout(1), 24, 24)
    assert found.parameters["generator, scale 0"] == parameter_count(tiny_state(config)[1].generator)
    assert "temporal" not in found.parameters


def test_the_global_generator_may_be_fixed_while_the_enhancer_learns() -> None:
    """pix2pixHD's niter_fix_global: nothing of the global generator moves, then all of it that is looked at."""
    config = config_of("pix2pixhd", data={"size": 32}, generator={"scales": 2}, schedule={"fix_global": 1})
    trainer, state = tiny_state(config)
    assert isinstance(state.generator, CompositeGenerator)
    coarse, fine = state.generator.networks
    before = weights_of(coarse), weights_of(fine)
    train_step(trainer, state, some_clips(size=32))
    assert same(weights_of(coarse), before[0])
    assert not same(weights_of(fine), before[1])
    train_step(trainer, state, some_clips(size=32))
    assert not same(weights_of(coarse), before[0])


def test_an_enhancer_adds_to_what_the_global_generator_saw_at_half_the_size() -> None:
    """Reference 3b: the features just before the global one's head, on the averaged condition."""
    state = tiny_state(config_of("pix2pixhd", data={"size": 32}, generator={"scales": 2, "width": 8}))[1]
    generator = state.average
    assert isinstance(generator, CompositeGenerator)
    condition = some_clips(length=1, size=32).conditions[:, 0]
    coarse, fine = generator.networks
    features = coarse(halve(condition), condition[:, :0], None).features
    expected = fine(condition, condition[:, :0], features)
    drawn = next(rollout(generator, [condition]))
    assert torch.equal(drawn.image, expected.raw)
