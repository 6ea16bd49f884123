"""The constant inputs of a training step, and what the steps of all model families share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

import torch
from torch import Tensor, nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.engine.distributed import SINGLE_PROCESS, ProcessGroup
from vid2vid_cli.engine.gradient_scaler import GradientScaler
from vid2vid_cli.engine.reference_flow import FlowEstimator
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.training_losses import LossTerms, PerceptualFunction


@dataclass(frozen=True)
class TrainContext:
    """The constant inputs of a training step."""

    config: Config
    runtime: Runtime
    flow_estimator: FlowEstimator
    _: KW_ONLY
    perceptual_loss: PerceptualFunction | None = None
    process_group: ProcessGroup = SINGLE_PROCESS
    """The processes that share each batch."""


def update_weights(
    context: TrainContext, optimizer: torch.optim.Optimizer, loss: Tensor | None, *, scaler: GradientScaler
) -> None:
    """One step of an optimiser with the gradients of a loss, averaged over all processes.

    None: the loss does not exist in this process, which takes part in the average nevertheless. `scaler`: that of the
    optimiser.
    """
    optimizer.zero_grad(set_to_none=True)
    scaler.backward(loss)
    apply_gradients(context, optimizer, scaler=scaler)


def apply_gradients(context: TrainContext, optimizer: torch.optim.Optimizer, *, scaler: GradientScaler) -> None:
    """One step of an optimiser with the gradients that `scaler` has computed, averaged over all processes."""
    context.process_group.all_reduce_gradients(optimizer)
    scaler.step(optimizer)


def trained_weights(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """The weights of an optimiser that are not frozen."""
    return [weight for group in optimizer.param_groups for weight in group["params"] if weight.requires_grad]


def sum_terms(terms: LossTerms) -> Tensor:
    """The sum of all terms, for the update of discriminators; `weighted_sum` is that of generators."""
    return torch.stack(list(terms.values())).sum()


def detach_terms(terms: LossTerms) -> LossTerms:
    """The terms without their graphs, as a step returns them."""
    return {name: term.detach() for name, term in terms.items()}


@contextlib.contextmanager
def seeded_rng(context: TrainContext, step: int) -> Iterator[None]:
    """Seed the random numbers of the networks (dropout) from seed, step and rank, so that a resumed run is identical.

    Each rank has its own seed, so that dropout differs between processes.
    """
    device, process_group = context.runtime.device, context.process_group
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed((context.config.runtime.seed << 32) + step * process_group.world_size + process_group.rank)
        yield


@contextlib.contextmanager
def freeze(*networks: nn.Module) -> Iterator[None]:
    """Disable gradients of these networks' weights: the update of another network neither computes nor leaves any."""
    for network in networks:
        network.requires_grad_(False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)
