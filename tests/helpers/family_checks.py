"""Checks that the tests of several model families share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.factories import CPU, copy_weights, tensors_equal

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.state_files import load_train_state, save_train_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext


def check_resumed_training_equals_uninterrupted(
    folder: Path,
    config: Config,
    new_training: Callable[[Config], tuple[TrainContext, Any]],
    batch_of: Callable[[int], ClipBatch],
    *,
    networks: tuple[str, ...],
) -> None:
    """Two steps, saved, and two more: losses and weights equal those after loading; the seed is that of the file."""
    context, state = new_training(config)
    for step in range(2):
        train_step(context, state, batch_of(step))
    save_train_state(folder, state, {})
    losses = [train_step(context, state, batch_of(step)) for step in range(2, 4)]
    _, resumed = new_training(config.with_settings({"runtime.seed": 5}))
    load_train_state(folder / "step_0000002", resumed, CPU)
    assert [train_step(context, resumed, batch_of(step)) for step in range(2, 4)] == losses
    for network in networks:
        assert tensors_equal(copy_weights(getattr(resumed, network)), copy_weights(getattr(state, network)))


def check_fp16_training_equals_fp32(
    config: Config,
    new_training: Callable[[Config], tuple[TrainContext, Any]],
    batch_of: Callable[[int], ClipBatch],
) -> None:
    """Two steps with scaled losses: terms as in fp32, no update left out; then a scale at which all overflow."""
    losses = []
    for precision in ("fp32", "fp16"):
        context, state = new_training(config)
        runtime = replace(CPU, precision=precision)
        context = replace(context, runtime=runtime)
        state.scale_gradients(runtime)
        _set_scales(state, 256.0)
        losses.append([train_step(context, state, batch_of(step)) for step in range(2)])
    for terms, expected in zip(*reversed(losses), strict=True):
        assert terms == pytest.approx(expected, rel=0.02, abs=2e-3)
    assert state.num_skipped_updates == 0
    weights = copy_weights(state.generator)
    _set_scales(state, 2.0**60)
    train_step(context, state, batch_of(2))
    assert state.num_skipped_updates >= 2
    assert tensors_equal(copy_weights(state.generator), weights)


def _set_scales(state: Any, scale: float) -> None:
    for scaler in (state.generator_scaler, state.discriminator_scaler):
        scaler.load_state_dict({**scaler.state_dict(), "scale": scale} if scaler.state_dict() else {})
