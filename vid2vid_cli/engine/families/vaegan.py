"""VAE-GAN (Larsen et al., ICML 2016): a variational autoencoder whose decoder is the generator of a GAN.

Frames are compared by the features of the discriminator. The encoder gets the terms kl and similarity, the decoder
similarity and adversarial, and the discriminator its own loss: no network gets the gradients of another one's term.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.build import loss_settings, prepare_networks
from vid2vid_cli.engine.families.family import ModelFamily
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.train_context import TrainContext, detach_terms, freeze, seeded_rng, update_weights
from vid2vid_cli.engine.training_losses import LossTerms
from vid2vid_cli.losses.adversarial import GAN_LOSSES
from vid2vid_cli.losses.reconstruction import weighted_sum
from vid2vid_cli.losses.vaegan import learned_similarity_loss, prior_loss
from vid2vid_cli.networks.vaegan import VaeGanDiscriminator, VaeGanGenerator


class VaeGanState(TrainState):
    """Encoder with decoder, and the discriminator."""

    generator: VaeGanGenerator
    generator_ema: VaeGanGenerator

    def __init__(
        self,
        generator: VaeGanGenerator,
        discriminator: VaeGanDiscriminator,
        generator_optimizer: torch.optim.Optimizer,
        discriminator_optimizer: torch.optim.Optimizer,
    ) -> None:
        super().__init__(generator, generator_optimizer, discriminator_optimizer)
        self.discriminator = discriminator


def build_vaegan_generator(config: GeneratorConfig, condition_spec: ConditionSpec) -> VaeGanGenerator:
    """Encoder and decoder; the condition is the frame."""
    return VaeGanGenerator(
        base_channels=config.base_channels,
        num_downsamples=config.num_downsamples,
        code_size=config.latent_channels,
        norm=config.norm,
        upsample=config.upsample,
    )


def build_vaegan_state(config: Config, condition_spec: ConditionSpec, runtime: Runtime) -> VaeGanState:
    """New networks and optimisers."""
    generator = build_vaegan_generator(config.generator, condition_spec)
    discriminator = VaeGanDiscriminator(
        base_channels=config.discriminators.image.base_channels, num_downsamples=config.generator.num_downsamples
    )
    return VaeGanState(generator, discriminator, *prepare_networks(config, runtime, generator, discriminator))


def train_on_clips(context: TrainContext, state: VaeGanState, batch: ClipBatch) -> list[LossTerms]:
    """Update encoder and decoder, and then the discriminator, with all frames of a batch."""
    frames = batch.frames.flatten(0, 1).float()
    with context.runtime.autocast(), seeded_rng(context, state.step):
        fakes, terms = _update_generator(context, state, frames)
        if context.config.losses.uses_vaegan_discriminator:
            _, logits = state.discriminator(torch.cat([frames, fakes]))
            real_logits, fake_logits = logits[: len(frames)], logits[len(frames) :]
            loss = GAN_LOSSES[context.config.losses.gan_mode][1]([real_logits], [fake_logits])
            update_weights(context, state.discriminator_optimizer, loss, scaler=state.discriminator_scaler)
            terms["discriminator"] = loss.detach()
    return [terms]


def _update_generator(context: TrainContext, state: VaeGanState, frames: Tensor) -> tuple[Tensor, LossTerms]:
    """Update encoder and decoder with frames (n, 3, h, w); returns decoded frames (2 n, 3, h, w), and the terms.

    The decoded frames are those of the codes of the frames and those of codes from N(0, I).
    """
    losses, generator = loss_settings(context.config.losses), state.generator
    height, width = frames.shape[-2:]
    terms: LossTerms = {}
    with freeze(state.discriminator):
        mean, log_variance = generator.encode(frames)
        codes = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        reconstructed = generator.decode(codes, height, width)
        num_values = frames[0].numel()
        if losses.has_any("similarity"):
            with torch.no_grad():
                real_features, _ = state.discriminator(frames)
            fake_features, _ = state.discriminator(reconstructed)
            terms["similarity"] = learned_similarity_loss(real_features, fake_features)
            num_values = real_features[0].numel()
        if losses.has_any("l1"):
            terms["l1"] = F.l1_loss(reconstructed, frames)
        terms["kl"] = prior_loss(mean, log_variance, num_values)
        random_fakes = generator.decode(torch.randn_like(codes), height, width)
        # Decoded again without a gradient to the encoder, which the adversarial term must not change.
        fakes = torch.cat([generator.decode(codes.detach(), height, width), random_fakes])
        if losses.has_any("adversarial"):
            _, logits = state.discriminator(fakes)
            terms["adversarial"] = GAN_LOSSES[losses.gan_mode][0]([logits])
        update_weights(
            context, state.generator_optimizer, weighted_sum(terms, losses.weights), scaler=state.generator_scaler
        )
    return fakes.detach(), detach_terms(terms)


VAEGAN = ModelFamily(build_vaegan_generator, build_vaegan_state, train_on_clips)
