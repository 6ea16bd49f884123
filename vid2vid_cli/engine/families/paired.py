"""Models trained on conditions and their real frames: vid2vid, pix2pixHD, pix2pix, and label prediction.

A batch of clips is generated chunk by chunk; each chunk updates all networks once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.build import (
    build_discriminator,
    build_generator,
    condition_and_output_channels,
    discriminator_input_format,
    loss_settings,
    prepare_networks,
)
from vid2vid_cli.engine.chunk import Chunk, gather_chunk
from vid2vid_cli.engine.curriculum import is_warmup_end
from vid2vid_cli.engine.discriminator_inputs import (
    CONFIDENT_PIXELS,
    DiscriminatorInputs,
    flow_strides,
    mean_counts,
    region_pairs,
    temporal_pairs,
)
from vid2vid_cli.engine.families.family import ModelFamily
from vid2vid_cli.engine.reference_flow import estimate_reference_flow
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.styles import encode_styles
from vid2vid_cli.engine.train_context import (
    TrainContext,
    apply_gradients,
    detach_terms,
    seeded_rng,
    sum_terms,
    trained_weights,
)
from vid2vid_cli.engine.training_losses import (
    LossSettings,
    LossTerms,
    PerceptualFunction,
    RealFakeOutputs,
    adversarial_losses,
    discriminate,
    discriminator_loss,
    flow_losses,
    image_losses,
)
from vid2vid_cli.losses.reconstruction import weighted_sum
from vid2vid_cli.networks.generators import Generator


class PairedState(TrainState):
    """Generator, and discriminators of frames, frame sequences and regions."""

    def __init__(
        self,
        *,
        generator: Generator,
        image_discriminator: nn.Module,
        temporal_discriminators: nn.ModuleDict,
        region_discriminators: nn.ModuleDict,
        generator_optimizer: torch.optim.Optimizer,
        discriminator_optimizer: torch.optim.Optimizer,
    ) -> None:
        super().__init__(generator, generator_optimizer, discriminator_optimizer)
        self.image_discriminator = image_discriminator
        self.temporal_discriminators = temporal_discriminators
        """One discriminator per frame stride; the key is the stride as a string."""
        self.region_discriminators = region_discriminators
        """One discriminator per region name."""


@dataclass(frozen=True)
class _Outputs:
    """What all discriminators compute for a chunk; `image` is None if it is not used."""

    image: RealFakeOutputs | None
    temporal: Mapping[str, RealFakeOutputs]
    region: Mapping[str, RealFakeOutputs]


def build_paired_state(config: Config, condition_spec: ConditionSpec, runtime: Runtime) -> PairedState:
    """New networks and optimisers."""
    generator = build_generator(config.generator, condition_spec)
    condition_channels, out_channels = condition_and_output_channels(config.generator, condition_spec)
    discriminator_channels = condition_channels + out_channels
    image_discriminator = build_discriminator(config.discriminators.image, discriminator_channels, config.data.height)
    temporal, region = config.discriminators.temporal, config.discriminators.region
    temporal_channels = out_channels * temporal.num_frames + 2 * (temporal.num_frames - 1)
    temporal_discriminators = nn.ModuleDict(
        {
            str(stride): build_discriminator(temporal, temporal_channels, config.data.height)
            for stride in temporal.frame_strides
        }
    )
    crop_size = region.crop_size(config.data.height)
    region_discriminators = nn.ModuleDict(
        {name: build_discriminator(region, discriminator_channels, crop_size) for name in region.names}
    )
    generator_optimizer, discriminator_optimizer = prepare_networks(
        config, runtime, generator, image_discriminator, temporal_discriminators, region_discriminators
    )
    return PairedState(
        generator=generator,
        image_discriminator=image_discriminator,
        temporal_discriminators=temporal_discriminators,
        region_discriminators=region_discriminators,
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
    )


def start_step(config: Config, state: PairedState) -> None:
    """Select the weights that are trained; clear the moment estimates after the image warm-up."""
    if is_warmup_end(config, state.step):
        state.reset_optimizers()
    state.generator.set_trainable(
        finest_only=state.step < config.schedule.freeze_coarse_steps,
        without_past=state.step < config.effective_image_warmup,
    )


def train_on_clips(context: TrainContext, state: PairedState, batch: ClipBatch) -> list[dict[str, Tensor]]:
    """Generate the clips of a batch, update all networks with each chunk, and return the loss terms of each chunk."""
    config = context.config
    flows = {
        stride: estimate_reference_flow(context.flow_estimator, batch.rgb, stride) for stride in flow_strides(config)
    }
    loss_history: list[dict[str, Tensor]] = []
    num_initial_frames = min(config.num_initial_frames, batch.frames.shape[1] - 1)
    initial_frames = batch.frames[:, :num_initial_frames] if num_initial_frames else None
    with context.runtime.autocast(), seeded_rng(context, state.step):
        styled = encode_styles(state.generator, batch, state.generator_scaler)
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
            loss_history.append(_update_networks(context, state, chunk, inputs, styles=styled.detached))
        styled.update_encoder(state.generator_optimizer, context.process_group, scaler=state.generator_scaler)
    return loss_history


def _update_networks(
    context: TrainContext, state: PairedState, chunk: Chunk, inputs: DiscriminatorInputs, *, styles: Tensor | None
) -> dict[str, Tensor]:
    """Update all networks with a chunk. `styles`: a leaf of the generator's graph, which gets a gradient too.

    The losses of the generator and of the discriminators come from the same passes. So all gradients are computed
    before any weight changes, each only for the weights of the networks that its loss trains.
    """
    losses = loss_settings(context.config.losses)
    outputs = _discriminate(context.config, state, chunk, inputs)
    generator_terms = _generator_terms(chunk, inputs, outputs, context.perceptual_loss, losses)
    discriminator_terms = _discriminator_terms(inputs, outputs, losses)
    # A process without a crop of a region may have no terms.
    discriminator_loss_sum = sum_terms(discriminator_terms) if discriminator_terms else None
    state.discriminator_optimizer.zero_grad(set_to_none=True)
    state.generator_optimizer.zero_grad(set_to_none=True)
    weights = trained_weights(state.discriminator_optimizer)
    state.discriminator_scaler.backward(discriminator_loss_sum, weights=weights, keeps_graph=True)
    weights = [*trained_weights(state.generator_optimizer), *([] if styles is None else [styles])]
    state.generator_scaler.backward(weighted_sum(generator_terms, losses.weights), weights=weights)
    apply_gradients(context, state.generator_optimizer, scaler=state.generator_scaler)
    apply_gradients(context, state.discriminator_optimizer, scaler=state.discriminator_scaler)
    return detach_terms(generator_terms | discriminator_terms)


def _discriminate(config: Config, state: PairedState, chunk: Chunk, inputs: DiscriminatorInputs) -> _Outputs:
    image = None
    if config.losses.uses_image_discriminator:
        image = discriminate(
            state.image_discriminator, chunk.real, chunk.fake_images, chunk.discriminator_conditions.detach()
        )
    temporal, region = (
        {name: discriminate(discriminators[name], real, [fake]) for name, (real, fake) in pairs.items()}
        for pairs, discriminators in (
            (inputs.temporal_pairs, state.temporal_discriminators),
            (inputs.region_pairs, state.region_discriminators),
        )
    )
    return _Outputs(image, temporal, region)


def _generator_terms(
    chunk: Chunk,
    inputs: DiscriminatorInputs,
    outputs: _Outputs,
    perceptual: PerceptualFunction | None,
    losses: LossSettings,
) -> LossTerms:
    terms = image_losses(chunk, outputs.image, perceptual, losses)
    terms |= {name: inputs.mean_weight(CONFIDENT_PIXELS) * term for name, term in flow_losses(chunk).items()}
    terms |= adversarial_losses("temporal", outputs.temporal.values(), losses)
    for region, output in outputs.region.items():
        for name, term in adversarial_losses("region", [output], losses).items():
            terms[name] = terms.get(name, 0.0) + inputs.mean_weight(region) * term
    return terms


def _discriminator_terms(inputs: DiscriminatorInputs, outputs: _Outputs, losses: LossSettings) -> LossTerms:
    terms = {} if outputs.image is None else {"image_discriminator": discriminator_loss(outputs.image, losses)}
    for kind, outputs_by_name in (("temporal", outputs.temporal), ("region", outputs.region)):
        for name, output in outputs_by_name.items():
            terms[f"{kind}_discriminator_{name}"] = inputs.mean_weight(name) * discriminator_loss(output, losses)
    return terms


PAIRED = ModelFamily(build_generator, build_paired_state, train_on_clips, start_step)
