"""Stochastic adversarial video prediction (SAVP; Lee et al., 2018): VAE and GAN with two rollouts per step.

Both rollouts begin with real frames and share the generator. Latents are those of the encoder (posterior) or, after the
first frames, random (prior). Each rollout has its own video discriminator, which is updated before the generator.

Deterministic: generator.latent_channels=0. VAE alone: no weights of the adversarial terms. GAN alone:
generator.latent_encoder=false, which leaves the prior rollout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.losses import VIDEO_GAN_TERMS
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.build import build_generator, loss_settings, prepare_networks
from vid2vid_cli.engine.families.family import ModelFamily
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.train_context import TrainContext, detach_terms, freeze, seeded_rng, sum_terms, update_weights
from vid2vid_cli.engine.training_losses import LossTerms
from vid2vid_cli.losses.adversarial import GAN_LOSSES
from vid2vid_cli.losses.reconstruction import weighted_sum
from vid2vid_cli.losses.savp import cosine_feature_distance, video_kl_loss
from vid2vid_cli.networks.savp import SavpGenerator
from vid2vid_cli.networks.video_discriminator import VideoDiscriminator

POSTERIOR, PRIOR = "posterior", "prior"
MIN_REAL_FRAME_PROB = 0.001
"""Scheduled sampling ends below this probability, as published."""


class SavpState(TrainState):
    """Generator with its latent encoder, and a video discriminator of each rollout."""

    generator: SavpGenerator
    generator_ema: SavpGenerator

    def __init__(
        self,
        generator: SavpGenerator,
        discriminators: nn.ModuleDict,
        *,
        generator_optimizer: torch.optim.Optimizer,
        discriminator_optimizer: torch.optim.Optimizer,
    ) -> None:
        super().__init__(generator, generator_optimizer, discriminator_optimizer)
        self.discriminators = discriminators
        """`posterior` and `prior`, by the latents of the clips that they receive."""


@dataclass(frozen=True)
class Rollouts:
    """The predicted frames of a batch (b, t - 1, 3, h, w) by rollout, and the posterior of its latents."""

    predicted: Mapping[str, Tensor]
    posterior: tuple[Tensor, Tensor] | None
    """Mean and log variance (b, t - 1, z); None without an encoder."""

    @property
    def reconstructed(self) -> Tensor:
        """The rollout that should equal the real frames: posterior, or the only one."""
        return self.predicted[POSTERIOR if POSTERIOR in self.predicted else PRIOR]


def build_savp_state(config: Config, condition_spec: ConditionSpec, runtime: Runtime) -> SavpState:
    """New networks and optimisers."""
    generator = build_generator(config.generator, condition_spec)
    assert isinstance(generator, SavpGenerator)
    channels = config.savp.discriminator_channels
    discriminators = nn.ModuleDict({name: VideoDiscriminator(channels) for name in (POSTERIOR, PRIOR)})
    generator_optimizer, discriminator_optimizer = prepare_networks(config, runtime, generator, discriminators)
    return SavpState(
        generator,
        discriminators,
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
    )


def real_frame_prob(k: float, step: int) -> float:
    """Probability of a real input frame in scheduled sampling (Bengio et al., NIPS 2015): k / (k + exp(step / k))."""
    if k == 0 or (exponent := step / k) > math.log(k / MIN_REAL_FRAME_PROB):
        return 0.0
    return k / (k + math.exp(exponent))


def kl_factor(config: Config, step: int) -> float:
    """Factor on losses.kl at `step`: 0, then linear growth to 1."""
    savp = config.savp
    if step < savp.kl_anneal_start:
        return 0.0
    return min(1.0, (step - savp.kl_anneal_start) / savp.kl_anneal_steps) if savp.kl_anneal_steps else 1.0


def train_on_clips(context: TrainContext, state: SavpState, batch: ClipBatch) -> list[LossTerms]:
    """One update of the discriminators, then one of the generator against the updated discriminators."""
    with context.runtime.autocast(), seeded_rng(context, state.step):
        rollouts = predict_clips(context.config, state, batch.frames)
        num_predicted = batch.frames.shape[1] - 1
        length = min(context.config.savp.discriminator_frames, num_predicted)
        rng = np.random.default_rng([context.config.runtime.seed, state.step])
        start = int(rng.integers(num_predicted - length + 1))
        window = slice(start, start + length)
        terms = _update_discriminators(context, state, batch.frames[:, 1:][:, window], rollouts, window)
        terms |= _update_generator(context, state, batch.frames[:, 1:], rollouts, window)
    return [terms]


def predict_clips(config: Config, state: SavpState, frames: Tensor) -> Rollouts:
    """Both rollouts of a batch of clips (b, t, 3, h, w), as far as the losses need them."""
    generator = state.generator
    batch, length = frames.shape[:2]
    use_real = torch.rand(batch, length - 1, device=frames.device) < real_frame_prob(
        config.savp.scheduled_sampling_k, state.step
    )
    use_real[:, : generator.past_frames] = True
    if not generator.latent_channels:
        return Rollouts({PRIOR: _unroll(generator, frames, None, use_real)}, None)
    prior = torch.randn(batch, length - 1, generator.latent_channels, device=frames.device)
    if generator.encoder is None:
        return Rollouts({PRIOR: _unroll(generator, frames, prior, use_real)}, None)
    mean, log_variance = (value.float() for value in generator.encode(frames))
    latents = {POSTERIOR: mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)}
    if config.losses.prior_adversarial or config.losses.prior_features:
        # Between the first frames, which are all known, the latents are those of the posterior here too.
        num_known = generator.past_frames - 1
        latents[PRIOR] = torch.cat([latents[POSTERIOR][:, :num_known], prior[:, num_known:]], 1)
    predicted = {name: _unroll(generator, frames, values, use_real) for name, values in latents.items()}
    return Rollouts(predicted, (mean, log_variance))


def _unroll(generator: SavpGenerator, frames: Tensor, latents: Tensor | None, use_real: Tensor) -> Tensor:
    """Predict the frames after the first one; `use_real` (b, t - 1): whether an input is the real frame."""
    clip_state, predicted = generator.start(frames[:, 0]), frames[:, 0]
    outputs = []
    for index in range(frames.shape[1] - 1):
        image = torch.where(use_real[:, index, None, None, None], frames[:, index], predicted)
        predicted, clip_state = generator(image, None if latents is None else latents[:, index], clip_state)
        outputs.append(predicted)
    return torch.stack(outputs, 1)


def _active_terms(config: Config, rollouts: Rollouts) -> list[str]:
    """The adversarial terms with a weight whose rollout exists."""
    weights = config.losses.weights()
    return [name for name in VIDEO_GAN_TERMS if weights[name] and name.partition("_")[0] in rollouts.predicted]


def _update_discriminators(
    context: TrainContext, state: SavpState, real: Tensor, rollouts: Rollouts, window: slice
) -> LossTerms:
    """Update the video discriminators that a loss term needs."""
    discriminator_loss = GAN_LOSSES[context.config.losses.gan_mode][1]
    terms: LossTerms = {}
    for name in sorted({term.partition("_")[0] for term in _active_terms(context.config, rollouts)}):
        discriminator = state.discriminators[name]
        fake = rollouts.predicted[name][:, window].detach()
        terms[f"{name}_discriminator"] = discriminator_loss(discriminator(real)[-1:], discriminator(fake)[-1:])
    if not terms:
        return {}
    update_weights(context, state.discriminator_optimizer, sum_terms(terms), scaler=state.discriminator_scaler)
    return detach_terms(terms)


def _update_generator(
    context: TrainContext, state: SavpState, targets: Tensor, rollouts: Rollouts, window: slice
) -> LossTerms:
    config, predicted = context.config, rollouts.predicted
    with freeze(state.discriminators):
        # The published weights are for frames in [0, 1].
        terms: LossTerms = {"l1": F.l1_loss(rollouts.reconstructed, targets) / 2}
        if rollouts.posterior is not None:
            terms["kl"] = video_kl_loss(*rollouts.posterior)
        active_terms = _active_terms(config, rollouts)
        for name in (POSTERIOR, PRIOR):
            if not {f"{name}_adversarial", f"{name}_features"} & set(active_terms):
                continue
            fake = state.discriminators[name](predicted[name][:, window])
            if f"{name}_adversarial" in active_terms:
                terms[f"{name}_adversarial"] = GAN_LOSSES[config.losses.gan_mode][0](fake[-1:])
            if f"{name}_features" in active_terms:
                with torch.no_grad():
                    real = state.discriminators[name](targets[:, window])
                terms[f"{name}_features"] = cosine_feature_distance(real[:-1], fake[:-1])
        weights = dict(loss_settings(config.losses).weights)
        weights["kl"] *= kl_factor(config, state.step)
        update_weights(context, state.generator_optimizer, weighted_sum(terms, weights), scaler=state.generator_scaler)
    return detach_terms(terms)


SAVP = ModelFamily(build_generator, build_savp_state, train_on_clips)
