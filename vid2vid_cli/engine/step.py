"""One training step: a batch of clips, rolled out chunk by chunk, each chunk one update of every network."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor, nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import DivergedError
from vid2vid_cli.core.types import ClipBatch, Flow
from vid2vid_cli.engine import training_losses
from vid2vid_cli.engine.curriculum import average_decay, begins_motion, rate_factor
from vid2vid_cli.engine.distributed import ALONE, Group
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.styles import tell_styles
from vid2vid_cli.engine.training_losses import Chunk
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
    perceptual: training_losses.Perceptual | None = None
    group: Group = ALONE
    """The processes that each bring some of a batch's clips."""


def train_step(trainer: Trainer, state: TrainState, batch: ClipBatch) -> dict[str, float]:
    """Update all networks with one batch and return the mean of each loss term.

    Where several processes share the batch, the means are those over all of them, and so are all weights. Raises
    DivergedError where a loss is NaN or infinite, in all processes: the weights of that step are then not to be kept.
    """
    config = trainer.config
    for optimizer, adam in (
        (state.generator_optimizer, config.optimizer.generator),
        (state.discriminator_optimizer, config.optimizer.discriminators),
    ):
        for group in optimizer.param_groups:
            group["lr"] = adam.rate * rate_factor(config.schedule, state.step)
    if begins_motion(config, state.step):
        state.forget_moments()
    state.generator.learn(finest_only=state.step < config.schedule.fix_global, stills=state.step < config.stills)
    means = _means(trainer.group.means(_numbers(update(trainer, state, batch))))
    broken = [name for name, value in means.items() if not math.isfinite(value)]
    if broken:
        raise DivergedError(f"the loss {broken[0]} became {means[broken[0]]} at step {state.step + 1}")
    state.step += 1
    state.move_average(average_decay(config.optimizer.average, state.step))
    return means


def update(trainer: Trainer, state: TrainState, batch: ClipBatch) -> list[dict[str, Tensor]]:
    """Roll a batch out, update all networks with each chunk, and return the loss terms, (), of each."""
    config = trainer.config
    flows = {rate: reference_flow(trainer.teacher, batch.pictures, rate) for rate in rates(config)}
    told: list[dict[str, Tensor]] = []
    given = min(config.given, batch.frames.shape[1] - 1)
    begin = batch.frames[:, :given] if given else None
    with trainer.machine.autocast(), _noise(trainer, state.step):
        shown = tell_styles(state.generator, batch)
        conditions = iter(shown.conditions.unbind(1))
        before, every = tuple(islice(conditions, given)), config.schedule.backpropagate
        stream = rollout(state.generator, conditions, detach_every=every, begin=begin, seen=before)
        fakes: Tensor | None = begin
        while outputs := list(islice(stream, config.schedule.frames_per_update)):
            first = fakes.shape[1] if fakes is not None else 0
            new = torch.stack([output.image for output in outputs], 1)
            fakes = new if fakes is None else torch.cat([fakes.detach(), new], 1)
            moved = flows[1] if config.generator.past else None
            chunk = training_losses.chunk_of(
                outputs, first, batch.conditions, batch.frames, fakes, moved, batch.regions, config.discriminator
            )
            regions = _regions(config, chunk)
            counts: dict[str, Tensor | int] = {TRUSTED: chunk.confidence.sum(), **_found(config, regions)}
            shares = trainer.group.shares(counts, chunk.real)
            seen = Seen(_groups(config, batch.frames, fakes, flows, first), regions, shares)
            told.append(
                _update_generator(trainer, state, chunk, seen) | _update_discriminators(trainer, state, chunk, seen)
            )
        shown.learn(state.generator_optimizer, trainer.group)
    return told


def _numbers(told: list[dict[str, Tensor]]) -> list[dict[str, float]]:
    """The same as numbers; a GPU is waited for once."""
    values = iter(torch.stack([value.float() for terms in told for value in terms.values()]).tolist())
    return [{name: next(values) for name in terms} for terms in told]


def _means(told: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each term over the chunks that have it."""
    values: dict[str, list[float]] = {}
    for terms in told:
        for name, value in terms.items():
            values.setdefault(name, []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}


def rates(config: Config) -> list[int]:
    """The frame rates that reference flow is needed at: 1 by a generator with a past, and those of groups judged."""
    judged = config.temporal.rates if config.losses.judge_motion else ()
    return sorted({*judged, *((1,) if config.generator.past else ())})


def no_flow(frames: Tensor) -> Flow:
    """Flow that is nowhere to be trusted, for a clip (b, t, 3, h, w)."""
    batch, length, _, height, width = frames.shape
    return Flow(frames.new_zeros(batch, length, 2, height, width), frames.new_zeros(batch, length, 1, height, width))


def reference_flow(teacher: Teacher, frames: Tensor, rate: int) -> Flow:
    """The teacher's flow over `rate` frames for each frame of a clip, (b, t, 3, h, w) -> Flow.

    Asked of the teacher directly: the sum of flows from frame to frame is another, and worse, flow.
    """
    batch, length, _, height, width = frames.shape
    found = no_flow(frames)
    if length > rate:
        flow, trust = teacher(frames[:, :-rate].flatten(0, 1), frames[:, rate:].flatten(0, 1))
        found.flow[:, rate:] = flow.reshape(batch, length - rate, 2, height, width)
        found.confidence[:, rate:] = trust.reshape(batch, length - rate, 1, height, width)
    return found


@dataclass(frozen=True)
class Seen:
    """What the discriminators beside the image's are shown of a chunk."""

    temporal: training_losses.Pairs
    region: training_losses.Pairs
    shares: Mapping[str, Tensor | float] = field(default_factory=dict)
    """What means over things that one process may have more of than another weigh in this one; none where it is alone.

    All others are over as many things in each. With these, processes that share a batch learn what one would.
    """

    def share(self, name: str) -> Tensor | float:
        """Of the trusted pixels of flow, or of a region's squares."""
        return self.shares.get(name, 1.0)


TRUSTED = "trusted pixels"


def _groups(config: Config, frames: Tensor, fakes: Tensor, flows: dict[int, Flow], first: int) -> training_losses.Pairs:
    """Real and generated groups by frame rate; rates without enough past are left out."""
    pairs: training_losses.Pairs = {}
    own, last = config.temporal, fakes.shape[1]
    for rate in own.rates if config.losses.judge_motion else ():
        ends = training_losses.group_ends(own.groups, rate, own.frames, first, last)
        if ends:
            real, fake = (
                training_losses.groups(each, flows[rate].flow, rate, own.frames, ends) for each in (frames, fakes)
            )
            pairs[str(rate)] = (real, fake)
    return pairs


def _regions(config: Config, chunk: Chunk) -> training_losses.Pairs:
    """Real and generated squares by region; regions that are on no frame are left out."""
    if not config.losses.judge_regions:
        return {}
    return training_losses.regions(chunk, config.region.names, config.region.side(chunk.real.shape[-2]))


def _found(config: Config, regions: training_losses.Pairs) -> dict[str, int]:
    """How many squares of each region there are; 0 too, as every process must speak of the same."""
    return {name: len(regions[name][0]) if name in regions else 0 for name in config.region.names}


def _update_generator(trainer: Trainer, state: TrainState, chunk: Chunk, seen: Seen) -> dict[str, Tensor]:
    losses = trainer.config.losses
    with _frozen(state.discriminator, state.temporal, state.region):
        terms = training_losses.image_terms(chunk, state.discriminator, trainer.perceptual, losses)
        terms |= {name: seen.share(TRUSTED) * term for name, term in training_losses.motion_terms(chunk).items()}
        terms |= training_losses.pair_terms("temporal", seen.temporal, state.temporal, losses)
        for region, pair in seen.region.items():
            for name, term in training_losses.pair_terms("region", {region: pair}, state.region, losses).items():
                terms[name] = terms.get(name, 0.0) + seen.share(region) * term
        loss = total(terms, {name: getattr(losses, name) for name in terms})
        state.generator_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
    trainer.group.average(state.generator_optimizer)
    state.generator_optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


def _update_discriminators(trainer: Trainer, state: TrainState, chunk: Chunk, seen: Seen) -> dict[str, Tensor]:
    losses = trainer.config.losses
    terms: dict[str, Tensor] = {}
    if losses.judge_frames:
        real, fakes = chunk.shown(chunk.real), [chunk.shown(picture) for picture in training_losses.synthesised(chunk)]
        terms["discriminator"] = training_losses.discriminator_loss(real, fakes, state.discriminator, losses)
    for kind, pairs, judges in (("temporal", seen.temporal, state.temporal), ("region", seen.region, state.region)):
        for name, (real, fake) in pairs.items():
            loss = training_losses.discriminator_loss(real, [fake], judges[name], losses)
            terms[f"{kind}_discriminator_{name}"] = seen.share(name) * loss
    state.discriminator_optimizer.zero_grad(set_to_none=True)
    if terms:
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    trainer.group.average(state.discriminator_optimizer)  # also where a region is on no frame of this process
    state.discriminator_optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


@contextlib.contextmanager
def _noise(trainer: Trainer, step: int) -> Iterator[None]:
    """What networks draw at random (dropout) depends on seed and step alone, so that a resumed run draws the same.

    And on the process, so that two do not drop the same: the one thing in which many differ from one.
    """
    device, group = trainer.machine.device, trainer.group
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed((trainer.config.engine.seed << 32) + step * group.world + group.rank)
        yield


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
