"""One training step: a batch of clips is generated chunk by chunk; each chunk updates all networks once."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import DivergenceError
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine import training_losses
from vid2vid_cli.engine.build import discriminator_input_format, loss_settings
from vid2vid_cli.engine.chunk import Chunk, gather_chunk
from vid2vid_cli.engine.curriculum import ema_decay, is_warmup_end, lr_factor
from vid2vid_cli.engine.discriminator_inputs import (
    CONFIDENT_PIXELS,
    DiscriminatorInputs,
    flow_strides,
    mean_counts,
    region_pairs,
    temporal_pairs,
)
from vid2vid_cli.engine.distributed import SINGLE_PROCESS, ProcessGroup
from vid2vid_cli.engine.reference_flow import FlowEstimator, estimate_reference_flow
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.styles import encode_styles
from vid2vid_cli.losses.reconstruction import weighted_sum


@dataclass(frozen=True)
class TrainContext:
    """The constant inputs of a training step."""

    config: Config
    runtime: Runtime
    flow_estimator: FlowEstimator
    _: KW_ONLY
    perceptual_loss: training_losses.PerceptualFunction | None = None
    process_group: ProcessGroup = SINGLE_PROCESS
    """The processes that share each batch."""


def train_step(context: TrainContext, state: TrainState, batch: ClipBatch) -> dict[str, float]:
    """Update all networks with one batch and return the mean of each loss term over chunks and processes.

    Raises DivergenceError in all processes if a loss is NaN or infinite; the weights of that step must be discarded.
    """
    config = context.config
    for optimizer, adam in (
        (state.generator_optimizer, config.optimizer.generator),
        (state.discriminator_optimizer, config.optimizer.discriminators),
    ):
        for param_group in optimizer.param_groups:
            param_group["lr"] = adam.lr * lr_factor(config.schedule, state.step)
    if is_warmup_end(config, state.step):
        state.reset_optimizers()
    state.generator.set_trainable(
        finest_only=state.step < config.schedule.freeze_coarse_steps,
        without_past=state.step < config.effective_image_warmup,
    )
    mean_losses = _mean_losses(context.process_group.reduce_metrics(_to_floats(train_on_clips(context, state, batch))))
    non_finite_losses = [name for name, value in mean_losses.items() if not math.isfinite(value)]
    if non_finite_losses:
        raise DivergenceError(
            f"the loss {non_finite_losses[0]} became {mean_losses[non_finite_losses[0]]} at step {state.step + 1}"
        )
    state.step += 1
    state.update_ema(ema_decay(config.optimizer.ema_decay, state.step))
    return mean_losses


def train_on_clips(context: TrainContext, state: TrainState, batch: ClipBatch) -> list[dict[str, Tensor]]:
    """Generate the clips of a batch, update all networks with each chunk, and return the loss terms of each chunk."""
    config = context.config
    flows = {
        stride: estimate_reference_flow(context.flow_estimator, batch.rgb, stride) for stride in flow_strides(config)
    }
    loss_history: list[dict[str, Tensor]] = []
    num_initial_frames = min(config.num_initial_frames, batch.frames.shape[1] - 1)
    initial_frames = batch.frames[:, :num_initial_frames] if num_initial_frames else None
    with context.runtime.autocast(), _seeded_rng(context, state.step):
        styled = encode_styles(state.generator, batch)
        conditions = iter(styled.conditions.unbind(1))
        output_stream = rollout(
            state.generator,
            past_conditions=tuple(islice(conditions, num_initial_frames)),
            conditions=conditions,
            bptt_frames=config.schedule.bptt_frames,
            initial_frames=initial_frames,
            references=None
            if batch.references is None
            else islice(batch.references.unbind(), num_initial_frames, None),
        )
        fakes: Tensor | None = initial_frames
        while outputs := list(islice(output_stream, config.schedule.frames_per_update)):
            start = fakes.shape[1] if fakes is not None else 0
            new_images = torch.stack([output.image for output in outputs], 1)
            fakes = new_images if fakes is None else torch.cat([fakes.detach(), new_images], 1)
            chunk = gather_chunk(
                outputs,
                start=start,
                conditions=batch.conditions,
                frames=batch.frames,
                fakes=fakes,
                reference_flow=flows[1] if config.generator.past_frames else None,
                region_boxes=batch.regions,
                input_format=discriminator_input_format(config.discriminators.image),
            )
            inputs = DiscriminatorInputs(
                temporal_pairs=temporal_pairs(config, batch.frames, fakes, flows, start=start),
                region_pairs=(crops := region_pairs(config, chunk)),
                mean_weights=context.process_group.global_mean_weights(mean_counts(config, chunk, crops), chunk.real),
            )
            loss_history.append(
                _update_generator(context, state, chunk, inputs) | _update_discriminators(context, state, chunk, inputs)
            )
        styled.update_encoder(state.generator_optimizer, context.process_group)
    return loss_history


def _to_floats(loss_history: list[dict[str, Tensor]]) -> list[dict[str, float]]:
    """The loss terms as floats, with a single GPU synchronisation."""
    values = iter(torch.stack([value.float() for terms in loss_history for value in terms.values()]).tolist())
    return [{name: next(values) for name in terms} for terms in loss_history]


def _mean_losses(loss_history: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each term over the chunks that have it."""
    values_by_name: dict[str, list[float]] = {}
    for terms in loss_history:
        for name, value in terms.items():
            values_by_name.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in values_by_name.items()}


def _update_generator(
    context: TrainContext, state: TrainState, chunk: Chunk, inputs: DiscriminatorInputs
) -> dict[str, Tensor]:
    losses = loss_settings(context.config.losses)
    with _freeze(state.image_discriminator, state.temporal_discriminators, state.region_discriminators):
        terms = training_losses.image_losses(chunk, state.image_discriminator, context.perceptual_loss, losses)
        terms |= {
            name: inputs.mean_weight(CONFIDENT_PIXELS) * term
            for name, term in training_losses.flow_losses(chunk).items()
        }
        terms |= training_losses.adversarial_losses(
            "temporal", inputs.temporal_pairs, state.temporal_discriminators, losses
        )
        for region, pair in inputs.region_pairs.items():
            for name, term in training_losses.adversarial_losses(
                "region", {region: pair}, state.region_discriminators, losses
            ).items():
                terms[name] = terms.get(name, 0.0) + inputs.mean_weight(region) * term
        loss = weighted_sum(terms, losses.weights)
        state.generator_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
    context.process_group.all_reduce_gradients(state.generator_optimizer)
    state.generator_optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


def _update_discriminators(
    context: TrainContext, state: TrainState, chunk: Chunk, inputs: DiscriminatorInputs
) -> dict[str, Tensor]:
    losses = loss_settings(context.config.losses)
    terms: dict[str, Tensor] = {}
    if context.config.losses.uses_image_discriminator:
        real = chunk.discriminator_input(chunk.real)
        fakes = [chunk.discriminator_input(image) for image in chunk.fake_images]
        terms["image_discriminator"] = training_losses.discriminator_loss(
            real, fakes, state.image_discriminator, losses
        )
    for kind, pairs, discriminators in (
        ("temporal", inputs.temporal_pairs, state.temporal_discriminators),
        ("region", inputs.region_pairs, state.region_discriminators),
    ):
        for name, (real, fake) in pairs.items():
            loss = training_losses.discriminator_loss(real, [fake], discriminators[name], losses)
            terms[f"{kind}_discriminator_{name}"] = inputs.mean_weight(name) * loss
    state.discriminator_optimizer.zero_grad(set_to_none=True)
    if terms:
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    # All processes take part in the all-reduce, also those without a crop of a region.
    context.process_group.all_reduce_gradients(state.discriminator_optimizer)
    state.discriminator_optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


@contextlib.contextmanager
def _seeded_rng(context: TrainContext, step: int) -> Iterator[None]:
    """Seed the random numbers of the networks (dropout) from seed, step and rank, so that a resumed run is identical.

    Each rank has its own seed, so that dropout differs between processes.
    """
    device, process_group = context.runtime.device, context.process_group
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed((context.config.runtime.seed << 32) + step * process_group.world_size + process_group.rank)
        yield


@contextlib.contextmanager
def _freeze(*networks: nn.Module) -> Iterator[None]:
    """Disable gradients of these networks' weights, so that the generator's update neither computes nor leaves any."""
    for network in networks:
        network.requires_grad_(False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)
