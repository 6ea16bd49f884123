"""One training step of any model family: learning rates, the family's updates, mean losses, EMA."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vid2vid_cli.core.errors import DivergenceError
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.curriculum import ema_decay, lr_factor
from vid2vid_cli.engine.families.registry import model_family
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.train_context import TrainContext


def train_step(context: TrainContext, state: TrainState, batch: ClipBatch) -> dict[str, float]:
    """Update all networks with one batch and return the mean of each loss term over updates and processes.

    Raises DivergenceError in all processes if a loss is NaN or infinite, or if gradients overflow in fp16 at any scale;
    the weights of that step must be discarded.
    """
    config = context.config
    for optimizer, adam in (
        (state.generator_optimizer, config.optimizer.generator),
        (state.discriminator_optimizer, config.optimizer.discriminators),
    ):
        for param_group in optimizer.param_groups:
            param_group["lr"] = adam.lr * lr_factor(config.schedule, state.step)
    family = model_family(config.model)
    family.start_step(config, state)
    loss_history = _to_floats(family.train_on_clips(context, state, batch))
    mean_losses = _mean_losses(context.process_group.reduce_metrics(loss_history))
    non_finite_losses = [name for name, value in mean_losses.items() if not math.isfinite(value)]
    if non_finite_losses:
        raise DivergenceError(
            f"the loss {non_finite_losses[0]} became {mean_losses[non_finite_losses[0]]} at step {state.step + 1}"
        )
    scalers = {"generator": state.generator_scaler, "discriminators": state.discriminator_scaler}
    exhausted = [name for name, scaler in scalers.items() if scaler.is_exhausted]
    if exhausted:
        raise DivergenceError(f"the gradients of the {exhausted[0]} overflow in fp16 at step {state.step + 1}")
    state.step += 1
    state.update_ema(ema_decay(config.optimizer.ema_decay, state.step))
    return mean_losses


def _to_floats(loss_history: list[dict[str, Tensor]]) -> list[dict[str, float]]:
    """The loss terms as floats, with a single GPU synchronisation."""
    values = iter(torch.stack([value.float() for terms in loss_history for value in terms.values()]).tolist())
    return [{name: next(values) for name in terms} for terms in loss_history]


def _mean_losses(loss_history: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each term over the updates that have it."""
    values_by_name: dict[str, list[float]] = {}
    for terms in loss_history:
        for name, value in terms.items():
            values_by_name.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in values_by_name.items()}
