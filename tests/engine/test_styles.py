"""Styles in training: the encoder learns from all updates on a clip, by itself, and only the generator is told."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.factories import CPU, some_clips, tiny_config, weights_of

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.types import ClipBatch, ConditionLayout, ShapeError, StyleShape
from vid2vid_cli.engine.build import build_state
from vid2vid_cli.engine.distributed import ALONE, Group
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import Trainer, train_step
from vid2vid_cli.engine.style_bank import ClassStyles, StyleBank, StyleChoice, Styler
from vid2vid_cli.engine.styles import give_styles, tell_styles
from vid2vid_cli.networks.flow_estimator import DisTeacher
from vid2vid_cli.networks.style_encoder import style_encoder

SHAPE = StyleShape(features=3, width=4, downsamples=1)


def styled(config: Config | None = None) -> tuple[Trainer, TrainState]:
    config = config or tiny_config()
    return Trainer(config, CPU, DisTeacher()), build_state(config, ConditionLayout(1, style=SHAPE), CPU)


def clips(**changes: Any) -> ClipBatch:
    """With four objects, quarters of the picture."""
    batch = some_clips(**changes)
    quarter = torch.arange(24) // 12
    ids = (quarter[:, None] * 2 + quarter).expand(*batch.frames.shape[:2], 24, 24)
    return replace(batch, instances=ids.contiguous())


def test_a_step_moves_generator_encoder_and_both_averages() -> None:
    trainer, state = styled()
    before = {
        name: copy.deepcopy(part.state_dict()) for name, part in (("now", state.generator), ("mean", state.average))
    }
    terms = train_step(trainer, state, clips(batch=2))
    assert all(torch.isfinite(torch.tensor(list(terms.values()))))
    for name, part in (("now", state.generator), ("mean", state.average)):
        moved = [key for key, value in part.state_dict().items() if not torch.equal(value, before[name][key])]
        assert any(key.startswith("style.") for key in moved)
        assert any(key.startswith("networks.") for key in moved)


def test_the_encoder_learns_what_all_updates_say_and_nothing_else_moves() -> None:
    _, state = styled()
    encoder = style_encoder(state.generator)
    assert encoder is not None
    batch = clips()
    twin = copy.deepcopy(state.generator)
    told = tell_styles(state.generator, batch)
    assert told.conditions.shape[2] == 1 + 3
    weights = torch.rand_like(told.conditions)
    for part in (slice(0, 2), slice(2, 4)):  # as chunks do, one after the other
        (told.conditions[:, part] * weights[:, part]).sum().backward(retain_graph=True)
    others = weights_of(state.generator.networks)  # type: ignore[arg-type]
    optimizer = torch.optim.SGD(state.generator.parameters(), lr=1.0)
    told.learn(optimizer, ALONE)
    again = tell_styles(twin, batch)
    assert again.styles is not None
    (again.styles * weights[:, :, 1:]).sum().backward()
    for new, old in zip(encoder.parameters(), style_encoder(twin).parameters(), strict=True):  # type: ignore[union-attr]
        assert old.grad is not None
        torch.testing.assert_close(new, old - old.grad)
    assert all(map(torch.equal, others, weights_of(state.generator.networks)))  # type: ignore[arg-type]


class Halving(Group):
    """As though another process had found no gradient at all."""

    def average(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.grad /= 2


def test_processes_that_share_a_batch_learn_the_mean() -> None:
    moved = []
    for group in (ALONE, Halving()):
        _, state = styled()
        encoder = style_encoder(state.generator)
        assert encoder is not None
        before = weights_of(encoder)
        told = tell_styles(state.generator, clips())
        told.conditions.square().sum().backward()
        told.learn(torch.optim.SGD(encoder.parameters(), lr=1.0), group)
        moved.append([new - old for new, old in zip(encoder.parameters(), before, strict=True)])
    for whole, half in zip(*moved, strict=True):
        torch.testing.assert_close(half * 2, whole)


def test_what_is_told_is_constant_over_each_object_of_a_clip() -> None:
    _, state = styled()
    batch = clips(batch=2)
    styles = tell_styles(state.generator, batch).conditions[:, :, 1:]
    first = styles[:, :1, :, ::12, ::12]
    torch.testing.assert_close(
        styles, first.expand(-1, 4, -1, -1, -1).repeat_interleave(12, 3).repeat_interleave(12, 4)
    )
    assert len(first.flatten(3).movedim(2, -1).reshape(-1, 3).unique(dim=0)) == 8


def test_synthesis_gives_each_object_what_the_bank_says_whatever_the_conditions_are_stored_as() -> None:
    vectors = np.array([[0.25, -0.5, 0.75]])
    known = ClassStyles.of(0, "picture", vectors, 1)
    bank = StyleBank(features=3, width=4, downsamples=1, things=(), classes=(known,), frame=())
    batch = clips()
    for conditions in (batch.conditions, batch.conditions.round().to(torch.int8)):
        given = give_styles(replace(batch, conditions=conditions), Styler(bank, StyleChoice()))
        torch.testing.assert_close(given[:, :, :1], conditions.float())
        wanted = torch.from_numpy(vectors[0]).float().view(3, 1, 1).expand(1, 4, 3, 24, 24)
        torch.testing.assert_close(given[:, :, 1:], wanted)
    assert tell_styles(styled()[1].generator, replace(batch, conditions=conditions)).conditions.is_floating_point()


def test_a_generator_without_styles_is_told_nothing_more() -> None:
    state = build_state(tiny_config(), ConditionLayout(1), CPU)
    batch = some_clips()
    told = tell_styles(state.generator, batch)
    assert told.conditions is batch.conditions
    told.learn(state.generator_optimizer, ALONE)


def test_a_batch_without_instances_is_refused() -> None:
    with pytest.raises(ShapeError, match="instances"):
        tell_styles(styled()[1].generator, some_clips())
