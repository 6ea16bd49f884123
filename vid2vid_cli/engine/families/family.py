"""A model family: the networks of a training and how one batch updates them. Everything else is shared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.networks.generators import Generator

State = TypeVar("State", bound=TrainState)


def _train_all_weights(config: Config, state: TrainState) -> None:
    """All weights are trained in all steps."""


@dataclass(frozen=True)
class ModelFamily(Generic[State]):
    """The functions of a family. Loop, learning rates, EMA, resume, .ckpt, samples and reports are those of all."""

    build_generator: Callable[[GeneratorConfig, ConditionSpec], Generator]
    """All networks of synthesis as one module, which has an EMA and is stored in the .ckpt."""
    build_state: Callable[[Config, ConditionSpec, Runtime], State]
    """New networks and optimisers. The random state is seeded by the caller."""
    train_on_clips: Callable[[TrainContext, State, ClipBatch], list[dict[str, Tensor]]]
    """Update all networks with a batch, once or several times; returns the detached loss terms of each update.

    Each loss is called by its name in `LossConfig`; those of discriminators by the discriminator's name.
    """
    start_step: Callable[[Config, State], None] = _train_all_weights
    """Called before the updates of each step: which weights are trained in step `state.step`."""
