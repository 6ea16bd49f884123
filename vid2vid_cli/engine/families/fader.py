"""Fader Networks (Lample et al., NIPS 2017): the code of a frame is made free of attributes, which the decoder gets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch, ShapeError
from vid2vid_cli.engine.build import loss_settings, prepare_networks
from vid2vid_cli.engine.families.family import ModelFamily
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.train_context import TrainContext, detach_terms, freeze, seeded_rng, update_weights
from vid2vid_cli.losses.fader import attribute_adversarial_loss, attribute_loss
from vid2vid_cli.losses.reconstruction import weighted_sum
from vid2vid_cli.networks.fader import AttributeClassifier, FaderGenerator
from vid2vid_cli.ops.resample import crop_to


class FaderState(TrainState):
    """Autoencoder and the classifier of attributes."""

    generator: FaderGenerator

    def __init__(
        self,
        generator: FaderGenerator,
        attribute_classifier: AttributeClassifier,
        generator_optimizer: torch.optim.Optimizer,
        discriminator_optimizer: torch.optim.Optimizer,
    ) -> None:
        super().__init__(generator, generator_optimizer, discriminator_optimizer)
        self.attribute_classifier = attribute_classifier


def build_fader_generator(config: GeneratorConfig, condition_spec: ConditionSpec) -> FaderGenerator:
    """The autoencoder; its condition is the frame."""
    return FaderGenerator(
        base_channels=config.base_channels,
        num_downsamples=config.num_downsamples,
        num_attributes=len(config.attributes),
        norm=config.norm,
    )


def build_fader_state(config: Config, condition_spec: ConditionSpec, runtime: Runtime) -> FaderState:
    """New networks and optimisers."""
    generator = build_fader_generator(config.generator, condition_spec)
    classifier = AttributeClassifier(generator.code_channels, generator.num_attributes)
    return FaderState(generator, classifier, *prepare_networks(config, runtime, generator, classifier))


def train_on_clips(context: TrainContext, state: FaderState, batch: ClipBatch) -> list[dict[str, Tensor]]:
    """Update the classifier, and then encoder and decoder, with all frames of a batch. Raises ShapeError.

    The weight of the encoder's adversarial term grows linearly from 0 in the first steps, as published.
    """
    if batch.attributes is None:
        raise ShapeError("model=fader needs ClipBatch.attributes")
    frames, attributes = batch.frames.flatten(0, 1).float(), batch.attributes.flatten(0, 1).float()
    config, classifier = context.config, state.attribute_classifier
    with context.runtime.autocast(), seeded_rng(context, state.step):
        code = state.generator.encode(frames)
        classifier_loss = attribute_loss(classifier(code.detach()), attributes)
        update_weights(context, state.discriminator_optimizer, classifier_loss, scaler=state.discriminator_scaler)
        with freeze(classifier):
            image = crop_to(state.generator.decode(code, attributes), *frames.shape[-2:])
            terms = {
                "l1": F.l1_loss(image, frames),
                "attribute_adversarial": attribute_adversarial_loss(classifier(code), attributes),
            }
            weights = loss_settings(config.losses).weights
            share = min(1.0, state.step / max(1, config.schedule.attribute_warmup_steps))
            weights = {**weights, "attribute_adversarial": share * weights["attribute_adversarial"]}
            update_weights(
                context, state.generator_optimizer, weighted_sum(terms, weights), scaler=state.generator_scaler
            )
    return [detach_terms({**terms, "attribute_classifier": classifier_loss})]


FADER = ModelFamily(build_fader_generator, build_fader_state, train_on_clips)
