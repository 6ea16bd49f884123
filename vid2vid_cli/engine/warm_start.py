"""A run that begins with what another one learned: the coarse-to-fine way, or the same model on another subject."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vid2vid_cli.core.errors import RunError
from vid2vid_cli.engine.checkpoint import STATE_FILE, load_info, load_networks
from vid2vid_cli.engine.state import TrainState

LEAST = 0.5
"""The share of another generator's weights that must fit: a few small tensors always do, by chance."""


@dataclass(frozen=True)
class Grown:
    """What was taken over."""

    taken: int
    """Tensors of all networks together."""
    new: tuple[str, ...]
    """What begins from scratch, such as `generator.networks.1`."""

    def describe(self) -> str:
        """For people."""
        return f"{self.taken} tensors taken over" + (f"; new: {', '.join(self.new)}" if self.new else "")


def grow(state: TrainState, source: Path) -> Grown:
    """Take over, by name and shape, what fits of a `.ckpt` or of a run's state folder (all networks).

    A `.ckpt` holds a generator; discriminators only where they were imported with it.

    The moving average begins with the other's; optimisers and the step count begin anew. Raises RunError where most of
    the other generator does not fit, and what reading a checkpoint raises.
    """
    saved = _networks(source)
    taken, new = 0, []
    for part, network in state.networks().items():
        weights = saved.get(part, {})
        left = take_over(network, weights)
        fitting = [value.numel() for name, value in network.state_dict().items() if name not in left]
        if part == "generator" and sum(fitting) < LEAST * sum(value.numel() for value in weights.values()):
            raise RunError(
                f"{source} does not fit this generator",
                "Both need the same conditioners and the same kind, width, downsamples and blocks of the generator.",
            )
        taken += len(fitting)
        new += [f"{part}.{name}" for name in dict.fromkeys(_network_of(name) for name in left)]
    state.average.load_state_dict(state.generator.state_dict())
    take_over(state.average, saved["average"])
    return Grown(taken, tuple(new))


@torch.no_grad()
def take_over(mine: nn.Module, saved: Mapping[str, Tensor]) -> list[str]:
    """Copy what `saved`, another network's state, has of the same name and shape; the names left as they were.

    Those are parameters and buffers of `mine`, in its order; what `saved` has besides is not asked for.
    """
    left = []
    for name, value in mine.state_dict().items():
        found = saved.get(name)
        if found is None or found.shape != value.shape:
            left.append(name)
        else:
            value.copy_(found)
    return left


def _network_of(name: str) -> str:
    """The scale of a generator or the copy of a discriminator that a weight belongs to: `networks.1`, `copies.256`."""
    scale = re.match(r"networks\.\d+", name)
    return scale.group() if scale else name.partition(".stages.")[0]


def _networks(source: Path) -> dict[str, Mapping[str, Tensor]]:
    """Weights by network. A `.ckpt` holds one generator, the average, and discriminators where it was imported."""
    if source.is_dir():
        try:
            saved = torch.load(source / STATE_FILE, map_location="cpu", weights_only=True)["state"]
        except Exception as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise RunError(
                f"{source / STATE_FILE} cannot be read: {reason}", "Name the run's .ckpt instead."
            ) from error
        return {name: part for name, part in saved.items() if isinstance(part, Mapping)}
    load_info(source)
    saved = load_networks(source)
    return {**saved, "average": saved["generator"]}
