"""Training in fp16, on the CPU: scaled losses, skipped updates, and bit-exact resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.factories import CPU, copy_weights, random_clips, tensors_equal, tiny_config, tiny_state

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import DivergenceError
from vid2vid_cli.engine.events import Event, InfoEvent, StepEvent
from vid2vid_cli.engine.gradient_scaler import MIN_SCALE, GradientScaler
from vid2vid_cli.engine.loop import StopCondition, train_loop
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import load_train_state, save_train_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext

FP16 = replace(CPU, precision="fp16")
HUGE_SCALE = 2.0**60
"""The first updates overflow."""


def new_training(config: Config, runtime: Any = FP16) -> tuple[TrainContext, Any]:
    context, state = tiny_state(config)
    state.scale_gradients(runtime)
    return replace(context, runtime=runtime), state


def set_scale(scaler: GradientScaler, scale: float) -> None:
    scaler.load_state_dict({**GradientScaler(CPU.device, enabled=True).state_dict(), "scale": scale})


def scaler_states(state: TrainState) -> list[dict[str, Any]]:
    return [state.generator_scaler.state_dict(), state.discriminator_scaler.state_dict()]


def test_gradient_scaler_divides_gradients_and_skips_infinite_ones() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    scaler = GradientScaler(CPU.device, enabled=True)
    scale = scaler.state_dict()["scale"]
    scaler.backward((2 * weight).sum())
    assert weight.grad is not None
    assert scaler.unscale(weight.grad) == 2
    assert weight.grad == 2 * scale
    scaler.step(optimizer)
    assert (weight.item(), scaler.num_skipped) == (0.0, 0)
    optimizer.zero_grad()
    scaler.backward((float("inf") * weight).sum())
    scaler.step(optimizer)
    assert (weight.item(), scaler.num_skipped, scaler.state_dict()["scale"]) == (0.0, 1, scale / 2)
    optimizer.zero_grad()
    scaler.backward(None)
    scaler.step(optimizer)
    assert (weight.item(), scaler.num_skipped) == (0.0, 1)


def test_disabled_gradient_scaler_changes_nothing() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    scaler = GradientScaler(CPU.device, enabled=False)
    scaler.backward(2 * weight.sum())
    assert weight.grad == 2
    assert scaler.unscale(weight.grad) is weight.grad
    scaler.step(torch.optim.SGD([weight], lr=0.5))
    assert (weight.item(), scaler.state_dict(), scaler.is_exhausted) == (0.0, {}, False)


def test_resumed_fp16_training_equals_uninterrupted_training(tmp_path: Path) -> None:
    """Bit for bit, with the scales, of which one has changed, and with the skipped updates."""
    config = tiny_config()
    context, state = new_training(config)
    set_scale(state.generator_scaler, HUGE_SCALE)
    weights = copy_weights(state.generator)
    train_step(context, state, random_clips(0))
    assert tensors_equal(copy_weights(state.generator), weights)
    num_skipped = state.generator_scaler.num_skipped
    assert num_skipped > 0
    assert state.num_skipped_updates >= num_skipped
    save_train_state(tmp_path, state, {})
    losses = [train_step(context, state, random_clips(step)) for step in (1, 2)]
    _, resumed = new_training(config.with_settings({"runtime.seed": 5}))
    load_train_state(tmp_path / "step_0000001", resumed, FP16)
    assert resumed.generator_scaler.num_skipped == num_skipped
    assert [train_step(context, resumed, random_clips(step)) for step in (1, 2)] == losses
    assert scaler_states(resumed) == scaler_states(state)
    for name, network in state.trainable_networks().items():
        assert tensors_equal(copy_weights(getattr(resumed, name)), copy_weights(network))


def test_state_of_another_precision_starts_with_the_initial_scale(tmp_path: Path) -> None:
    config = tiny_config()
    save_train_state(tmp_path, new_training(config, CPU)[1], {})
    _, resumed = new_training(config)
    expected = scaler_states(resumed)
    load_train_state(tmp_path / "step_0000000", resumed, FP16)
    assert scaler_states(resumed) == expected
    saved = resumed.state_dict()
    for name in ("generator_scaler", "discriminator_scaler"):
        del saved[name]  # as before the scalers existed
    resumed.load_state_dict(saved)


def test_train_loop_reports_skipped_updates() -> None:
    context, state = new_training(tiny_config())
    set_scale(state.discriminator_scaler, HUGE_SCALE)
    events: list[Event] = []
    train_loop(
        context,
        state,
        [random_clips(0)] * 2,
        StopCondition(2, None),
        previous_seconds=0.0,
        emit=events.append,
        after_step=lambda _: True,
    )
    counts = [event.num_skipped_updates for event in events if isinstance(event, StepEvent)]
    assert counts[0] > 0
    assert counts[1] == state.num_skipped_updates > counts[0]
    assert any(isinstance(event, InfoEvent) and f"{counts[1]} updates" in event.message for event in events)


def test_overflow_at_any_scale_ends_the_training() -> None:
    context, state = new_training(tiny_config())
    set_scale(state.generator_scaler, MIN_SCALE / 4)
    with pytest.raises(DivergenceError, match="generator"):
        train_step(context, state, random_clips())
    assert state.step == 0
