"""Translation between two domains without pairs: CycleGAN, DualGAN and DiscoGAN, which differ in settings.

Two generators and two discriminators (Zhu et al., ICCV 2017). In a batch, `conditions` are frames of domain A and
`frames` are frames of domain B, which are drawn independently. The generators are updated first, then the
discriminators, as published.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.model_specs import DIRECTIONS, ConditionSpec, Direction, opposite
from vid2vid_cli.core.types import ClipBatch, ReferenceFlow
from vid2vid_cli.engine.build import build_discriminator, build_generator, loss_settings, prepare_networks
from vid2vid_cli.engine.families.family import ModelFamily
from vid2vid_cli.engine.image_history import ImageHistory
from vid2vid_cli.engine.reference_flow import estimate_reference_flow
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.train_context import TrainContext, detach_terms, freeze, seeded_rng, sum_terms, update_weights
from vid2vid_cli.engine.training_losses import LossTerms, discriminate, discriminator_loss, logits
from vid2vid_cli.losses.adversarial import GAN_LOSSES
from vid2vid_cli.losses.reconstruction import masked_l1, weighted_sum
from vid2vid_cli.losses.unpaired import cycle_loss, identity_loss
from vid2vid_cli.networks.savp import SavpGenerator
from vid2vid_cli.networks.translation import TranslationGenerator
from vid2vid_cli.ops.warp import warp

Clips = Mapping[Direction, Tensor]
"""Frames (b, t, 3, h, w) by the direction in which they are translated, or were translated."""


class UnpairedState(TrainState):
    """Both generators, a discriminator of each domain, and the histories of generated images."""

    generator: TranslationGenerator
    generator_ema: TranslationGenerator

    def __init__(
        self,
        generator: TranslationGenerator,
        discriminators: nn.ModuleDict,
        *,
        generator_optimizer: torch.optim.Optimizer,
        discriminator_optimizer: torch.optim.Optimizer,
        history_size: int,
    ) -> None:
        super().__init__(generator, generator_optimizer, discriminator_optimizer)
        self.discriminators = discriminators
        """By the direction whose outputs they receive: `a2b` is the discriminator of domain B."""
        self.history_a2b, self.history_b2a = ImageHistory(history_size), ImageHistory(history_size)

    def history(self, direction: Direction) -> ImageHistory:
        """The generated images of a direction."""
        return self.history_a2b if direction == "a2b" else self.history_b2a


def build_translation_generator(config: GeneratorConfig, condition_spec: ConditionSpec) -> TranslationGenerator:
    """Two generators of the same architecture."""
    a2b, b2a = (build_generator(config, condition_spec) for _ in DIRECTIONS)
    assert not isinstance(a2b, SavpGenerator)
    assert not isinstance(b2a, SavpGenerator)
    return TranslationGenerator(a2b, b2a)


def build_unpaired_state(config: Config, condition_spec: ConditionSpec, runtime: Runtime) -> UnpairedState:
    """New networks and optimisers."""
    generator = build_translation_generator(config.generator, condition_spec)
    discriminators = nn.ModuleDict(
        {direction: build_discriminator(config.discriminators.image, 3, config.data.height) for direction in DIRECTIONS}
    )
    generator_optimizer, discriminator_optimizer = prepare_networks(config, runtime, generator, discriminators)
    return UnpairedState(
        generator,
        discriminators,
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
        history_size=config.unpaired.history_size,
    )


def train_on_clips(context: TrainContext, state: UnpairedState, batch: ClipBatch) -> list[LossTerms]:
    """One update of both generators and, from `batch` and the histories, of both discriminators."""
    sources: Clips = {"a2b": batch.conditions, "b2a": batch.frames}
    flows = {
        direction: estimate_reference_flow(context.flow_estimator, clip, 1)
        for direction, clip in sources.items()
        if context.config.losses.temporal_warp > 0 and clip.shape[1] > 1
    }
    with context.runtime.autocast(), seeded_rng(context, state.step):
        outputs, terms = _update_generators(context, state, sources, flows)
        for _ in range(context.config.unpaired.discriminator_updates):
            terms |= _update_discriminators(context, state, sources, outputs)
    return [terms]


def _update_generators(
    context: TrainContext, state: UnpairedState, sources: Clips, flows: Mapping[Direction, ReferenceFlow]
) -> tuple[Clips, LossTerms]:
    """Update both generators; returns the outputs by direction, and the detached loss terms."""
    losses = loss_settings(context.config.losses)
    terms_by_name: dict[str, list[Tensor]] = {}
    outputs: dict[Direction, Tensor] = {}
    with freeze(state.discriminators):
        for direction in DIRECTIONS:
            clip = sources[direction]
            frames, translate = clip.flatten(0, 1), state.generator.translate
            translated = translate(frames, direction)
            outputs[direction] = translated.view_as(clip)
            direction_terms = {
                "adversarial": GAN_LOSSES[losses.gan_mode][0](logits(state.discriminators[direction](translated))),
                "cycle": cycle_loss(
                    frames, translate(translated, opposite(direction)), context.config.losses.cycle_distance
                ),
            }
            if losses.has_any("identity"):
                direction_terms["identity"] = identity_loss(frames, translate(frames, opposite(direction)))
            if direction in flows:
                direction_terms["temporal_warp"] = temporal_loss(outputs[direction], flows[direction])
            for name, term in direction_terms.items():
                terms_by_name.setdefault(name, []).append(term)
        terms = {name: torch.stack(values).sum() for name, values in terms_by_name.items()}
        update_weights(
            context, state.generator_optimizer, weighted_sum(terms, losses.weights), scaler=state.generator_scaler
        )
    return outputs, detach_terms(terms)


def temporal_loss(clip: Tensor, source_flow: ReferenceFlow) -> Tensor:
    """Each translated frame against the one before it, warped by the flow of the source, (b, t, 3, h, w) -> scalar.

    The source moves, so the output may move alike, but not flicker. No gradient flows into the earlier frame.
    """
    previous, flow = clip[:, :-1].detach().flatten(0, 1), source_flow.flow[:, 1:].flatten(0, 1)
    return masked_l1(clip[:, 1:].flatten(0, 1), warp(previous, flow), source_flow.confidence[:, 1:].flatten(0, 1))


def _update_discriminators(context: TrainContext, state: UnpairedState, sources: Clips, outputs: Clips) -> LossTerms:
    """Update both discriminators; with weight clipping, the limit applies after the update."""
    losses = loss_settings(context.config.losses)
    terms: LossTerms = {}
    for direction in DIRECTIONS:
        real = sources[opposite(direction)].flatten(0, 1)
        fake = state.history(direction).exchange(outputs[direction].flatten(0, 1))
        real_and_fake = discriminate(state.discriminators[direction], real.detach(), [fake.detach()])
        terms[f"discriminator_{direction}"] = discriminator_loss(real_and_fake, losses)
    update_weights(context, state.discriminator_optimizer, sum_terms(terms), scaler=state.discriminator_scaler)
    if limit := context.config.unpaired.weight_clip:
        with torch.no_grad():
            for weight in state.discriminators.parameters():
                weight.clamp_(-limit, limit)
    return detach_terms(terms)


UNPAIRED = ModelFamily(build_translation_generator, build_unpaired_state, train_on_clips)
