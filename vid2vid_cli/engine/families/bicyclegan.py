"""BicycleGAN (Zhu et al., NIPS 2017): frames from conditions and a latent; its halves are cVAE-GAN and cLR-GAN.

cVAE-GAN: a real clip is encoded, and generated again from its conditions and the latent. cLR-GAN: a clip is generated
from a random latent, which the encoder has to find again.
"""

from __future__ import annotations

import contextlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.build import build_discriminator, loss_settings, prepare_networks
from vid2vid_cli.engine.families.family import ModelFamily
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.train_context import TrainContext, detach_terms, freeze, seeded_rng, sum_terms, update_weights
from vid2vid_cli.engine.training_losses import LossSettings, LossTerms, discriminate, discriminator_loss, logits
from vid2vid_cli.losses.adversarial import GAN_LOSSES
from vid2vid_cli.losses.bicyclegan import kl_divergence
from vid2vid_cli.losses.reconstruction import weighted_sum
from vid2vid_cli.networks.bicyclegan import BicycleGenerator, LatentEncoder
from vid2vid_cli.networks.unet import UNetGenerator

ENCODED, RANDOM = "encoded", "random"
"""The discriminators, by the latents of the generated frames that they compare with real ones."""
ADVERSARIAL_TERMS = {ENCODED: "adversarial", RANDOM: "random_adversarial"}
ENCODED_TERMS = ("adversarial", "l1", "kl")
"""The terms of cVAE-GAN."""
RANDOM_TERMS = ("random_adversarial", "latent")
"""The terms of cLR-GAN."""
MAX_ENCODER_BLOCKS, LEVELS_WITHOUT_BLOCK = 4, 4
"""The published encoder has 4 blocks beside a U-Net of 8 levels (256 pixels), and 3 beside one of 7."""


class BicycleState(TrainState):
    """Generator with encoder, and a discriminator of single frames for each kind of latent."""

    generator: BicycleGenerator

    def __init__(
        self,
        generator: BicycleGenerator,
        discriminators: nn.ModuleDict,
        generator_optimizer: torch.optim.Optimizer,
        discriminator_optimizer: torch.optim.Optimizer,
    ) -> None:
        super().__init__(generator, generator_optimizer, discriminator_optimizer)
        self.discriminators = discriminators


def build_bicycle_generator(config: GeneratorConfig, condition_spec: ConditionSpec) -> BicycleGenerator:
    """U-Net and encoder."""
    num_levels = config.num_downsamples
    unet = UNetGenerator(
        condition_spec.input_channels,
        base_channels=config.base_channels,
        num_downsamples=num_levels,
        norm=config.norm,
        upsample=config.upsample,
        dropout=config.dropout,
        conv_bias=config.conv_bias,
        skip_connections=config.skip_connections,
        latent_channels=config.latent_channels,
        num_latent_levels=num_levels if config.latent_injection == "all" else 1,
    )
    encoder = LatentEncoder(
        base_channels=config.base_channels,
        num_blocks=max(1, min(MAX_ENCODER_BLOCKS, num_levels - LEVELS_WITHOUT_BLOCK)),
        latent_channels=config.latent_channels,
        # The latent of a clip must not depend on the other clips of the batch, so batch norm is not used here.
        norm="instance_no_affine" if config.norm == "batch" else config.norm,
    )
    return BicycleGenerator(unet, encoder)


def build_bicycle_state(config: Config, condition_spec: ConditionSpec, runtime: Runtime) -> BicycleState:
    """New networks and optimisers. The discriminators get frames without conditions, as published."""
    generator = build_bicycle_generator(config.generator, condition_spec)
    discriminators = nn.ModuleDict(
        {name: build_discriminator(config.discriminators.image, 3, config.data.height) for name in (ENCODED, RANDOM)}
    )
    return BicycleState(generator, discriminators, *prepare_networks(config, runtime, generator, discriminators))


def train_on_clips(context: TrainContext, state: BicycleState, batch: ClipBatch) -> list[dict[str, Tensor]]:
    """Update generator and encoder, and then the discriminators, with a batch.

    As published, the first half of the clips is generated with both kinds of latents; the other half contains the real
    frames of the discriminator of random latents. One clip is both halves; of an odd number, one belongs to both.
    cVAE-GAN or cLR-GAN alone uses all clips.
    """
    losses, num_clips = loss_settings(context.config.losses), len(batch.frames)
    if losses.has_any(*ENCODED_TERMS) and losses.has_any(*RANDOM_TERMS):
        num_clips = (num_clips + 1) // 2
    reals = {ENCODED: batch.frames[:num_clips].float(), RANDOM: batch.frames[-num_clips:].float()}
    with context.runtime.autocast(), seeded_rng(context, state.step):
        fakes, terms = _update_generator(context, state, batch.conditions[:num_clips].float(), reals[ENCODED])
        return [terms | _update_discriminators(context, state, reals, fakes)]


def _update_generator(
    context: TrainContext, state: BicycleState, conditions: Tensor, real: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Update generator and encoder with clips (b, t, c, h, w); returns the generated clips by latent, and the terms."""
    losses = loss_settings(context.config.losses)
    with freeze(state.discriminators):
        fakes: dict[str, Tensor] = {}
        terms: LossTerms = {}
        if losses.has_any(*ENCODED_TERMS):
            fakes[ENCODED], encoded_terms = _encoded_terms(context, state.generator, conditions, real)
            terms |= encoded_terms
        if losses.has_any(*RANDOM_TERMS):
            # The encoder would help to hide the latent in the frames: its own update leaves this term out, as
            # published. cLR-GAN alone has no other term that trains it.
            latent = torch.randn(len(real), state.generator.latent_channels, device=real.device)
            fakes[RANDOM] = state.generator.generate_clips(conditions, latent)
            encoder = state.generator.encoder
            if losses.has_any("latent"):
                with freeze(encoder) if losses.has_any(*ENCODED_TERMS) else contextlib.nullcontext():
                    terms["latent"] = F.l1_loss(encoder(fakes[RANDOM])[0], latent)
        terms |= _adversarial_terms(state, fakes, losses)
        update_weights(
            context, state.generator_optimizer, weighted_sum(terms, losses.weights), scaler=state.generator_scaler
        )
    return {name: fake.detach() for name, fake in fakes.items()}, detach_terms(terms)


def _encoded_terms(
    context: TrainContext, generator: BicycleGenerator, conditions: Tensor, real: Tensor
) -> tuple[Tensor, LossTerms]:
    """Clips with the latents of the real clips, and the terms l1 and kl."""
    mean, log_variance = generator.encoder(real)
    fake = generator.generate_clips(conditions, mean + torch.randn_like(mean) * (0.5 * log_variance).exp())
    # Gradients are averaged over the processes, and this term is a sum over the whole batch.
    kl = context.process_group.world_size * kl_divergence(mean, log_variance)
    return fake, {"l1": F.l1_loss(fake, real), "kl": kl}


def _adversarial_terms(state: BicycleState, fakes: dict[str, Tensor], losses: LossSettings) -> LossTerms:
    generator_loss = GAN_LOSSES[losses.gan_mode][0]
    return {
        term: generator_loss(logits(state.discriminators[name](fakes[name].flatten(0, 1))))
        for name, term in ADVERSARIAL_TERMS.items()
        if losses.has_any(term)
    }


def _update_discriminators(
    context: TrainContext, state: BicycleState, reals: dict[str, Tensor], fakes: dict[str, Tensor]
) -> dict[str, Tensor]:
    losses = loss_settings(context.config.losses)
    terms: LossTerms = {}
    for name in (name for name, term in ADVERSARIAL_TERMS.items() if losses.has_any(term)):
        real, fake = (images[name].flatten(0, 1).detach() for images in (reals, fakes))
        outputs = discriminate(state.discriminators[name], real, [fake])
        terms[f"discriminator_{name}"] = discriminator_loss(outputs, losses)
    if not terms:
        return {}
    update_weights(context, state.discriminator_optimizer, sum_terms(terms), scaler=state.discriminator_scaler)
    return detach_terms(terms)


BICYCLEGAN = ModelFamily(build_bicycle_generator, build_bicycle_state, train_on_clips)
