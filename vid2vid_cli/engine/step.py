"""One training step: a batch of clips, rolled out chunk by chunk, each chunk one update of every network."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor, nn

from vid2vid_cli.config.model import Config, LossConfig
from vid2vid_cli.core.errors import DivergedError
from vid2vid_cli.core.nouns import ClipBatch, Flow
from vid2vid_cli.engine import objective
from vid2vid_cli.engine.curriculum import average_decay, rate_factor
from vid2vid_cli.engine.device import Machine
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.losses.reconstruction import total


class Teacher(Protocol):
    """Reference flow."""

    def __call__(self, previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, h, w) twice -> flow (n, 2, h, w), confidence (n, 1, h, w)."""
        ...


@dataclass(frozen=True)
class Trainer:
    """What a step needs besides the state; nothing in it changes."""

    config: Config
    machine: Machine
    teacher: Teacher
    perceptual: objective.Perceptual | None = None


def train_step(trainer: Trainer, state: TrainState, batch: ClipBatch) -> dict[str, float]:
    """Update all networks with one batch and return the mean of each loss term.

    Raises DivergedError where a loss is NaN or infinite; the weights of that step are then not to be kept.
    """
    config = trainer.config
    for optimizer, rate in (
        (state.generator_optimizer, config.optimizer.rate),
        (state.discriminator_optimizer, config.optimizer.discriminator_rate),
    ):
        for group in optimizer.param_groups:
            group["lr"] = rate * rate_factor(config.schedule, state.step)
    flows = {rate: reference_flow(trainer.teacher, batch.frames, rate) for rate in rates(config)}
    sums: dict[str, list[Tensor]] = {}
    with trainer.machine.autocast():
        stream = rollout(state.generator, batch.conditions.unbind(1), detach_every=config.schedule.backpropagate)
        fakes: Tensor | None = None
        while outputs := list(islice(stream, config.schedule.frames_per_update)):
            first = fakes.shape[1] if fakes is not None else 0
            new = torch.stack([output.image for output in outputs], 1)
            fakes = new if fakes is None else torch.cat([fakes.detach(), new], 1)
            chunk = objective.chunk_of(outputs, first, batch.conditions, batch.frames, fakes, flows[1])
            over_time = objective.is_judged_over_time(config.losses)
            seen = _groups(config, batch.frames, fakes, flows, first) if over_time else {}
            for name, value in {
                **_update_generator(trainer, state, chunk, seen),
                **_update_discriminators(config.losses, state, chunk, seen),
            }.items():
                sums.setdefault(name, []).append(value)
    means = {name: float(torch.stack(values).mean()) for name, values in sums.items()}
    broken = [name for name, value in means.items() if not math.isfinite(value)]
    if broken:
        raise DivergedError(f"the loss {broken[0]} became {means[broken[0]]} at step {state.step + 1}")
    state.step += 1
    state.move_average(average_decay(config.optimizer.average, state.step))
    return means


def rates(config: Config) -> list[int]:
    """The frame rates that reference flow is needed at; 1 is always among them."""
    return sorted({1, *config.temporal.rates})


def reference_flow(teacher: Teacher, frames: Tensor, rate: int) -> Flow:
    """The teacher's flow over `rate` frames for each frame of a clip, (b, t, 3, h, w) -> Flow."""
    batch, length, _, height, width = frames.shape
    flow = frames.new_zeros(batch, length, 2, height, width)
    confidence = frames.new_zeros(batch, length, 1, height, width)
    if length > rate:
        found, trust = teacher(frames[:, :-rate].flatten(0, 1), frames[:, rate:].flatten(0, 1))
        flow[:, rate:] = found.reshape(batch, length - rate, 2, height, width)
        confidence[:, rate:] = trust.reshape(batch, length - rate, 1, height, width)
    return Flow(flow, confidence)


Seen = dict[str, tuple[Tensor, Tensor]]


def _groups(config: Config, frames: Tensor, fakes: Tensor, flows: dict[int, Flow], first: int) -> Seen:
    """Real and generated groups per frame rate; rates without enough past are left out."""
    seen: Seen = {}
    last, size = fakes.shape[1], config.temporal.frames
    for rate in config.temporal.rates:
        real = objective.groups(frames, flows[rate].flow, rate, size, first, last)
        fake = objective.groups(fakes, flows[rate].flow, rate, size, first, last)
        if real is not None and fake is not None:
            seen[str(rate)] = (real, fake)
    return seen


def _update_generator(trainer: Trainer, state: TrainState, chunk: objective.Chunk, seen: Seen) -> dict[str, Tensor]:
    losses = trainer.config.losses
    with _frozen(state.discriminator, state.temporal):
        terms = objective.image_terms(chunk, state.discriminator, trainer.perceptual, losses)
        terms |= objective.motion_terms(chunk)
        per_rate = [
            objective.temporal_terms(real, fake, state.temporal[rate], losses) for rate, (real, fake) in seen.items()
        ]
        for name in dict.fromkeys(name for found in per_rate for name in found):
            terms[name] = torch.stack([found[name] for found in per_rate]).sum()
        loss = total(terms, {name: getattr(losses, name) for name in terms})
        state.generator_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
    state.generator_optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


def _update_discriminators(
    losses: LossConfig, state: TrainState, chunk: objective.Chunk, seen: Seen
) -> dict[str, Tensor]:
    def conditioned(picture: Tensor) -> Tensor:
        return torch.cat([chunk.conditions, picture], 1)

    terms: dict[str, Tensor] = {}
    if objective.is_judged(losses):
        real, fakes = conditioned(chunk.real), [conditioned(picture) for picture in objective.synthesised(chunk)]
        terms["discriminator"] = objective.discriminator_loss(real, fakes, state.discriminator, losses)
    for rate, (real, fake) in seen.items():
        terms[f"temporal_discriminator_{rate}"] = objective.discriminator_loss(
            real, [fake], state.temporal[rate], losses
        )
    if not terms:
        return {}
    state.discriminator_optimizer.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    state.discriminator_optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


@contextlib.contextmanager
def _frozen(*networks: nn.Module) -> Iterator[None]:
    """Without gradients for these weights, so that the generator's update neither pays for nor leaves any."""
    for network in networks:
        network.requires_grad_(False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)
