"""BicycleGAN, cVAE-GAN and cLR-GAN: updates, halves of the batch, resuming, and colours that the latent selects."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.factories import CPU, copy_weights, random_clips, tensors_equal, tiny_config
from helpers.family_checks import check_fp16_training_equals_fp32, check_resumed_training_equals_uninterrupted
from torch import Tensor

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.families import bicyclegan
from vid2vid_cli.engine.families.bicyclegan import BicycleState
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.engine.training_losses import RealFakeOutputs, discriminate
from vid2vid_cli.networks.flow_estimator import DISFlow

SIZE = 16
CVAE_GAN = {"losses.random_adversarial": 0, "losses.latent": 0}
CLR_GAN = {"losses.adversarial": 0, "losses.l1": 0, "losses.kl": 0}
ENCODED_TERMS = {"adversarial", "l1", "kl", "discriminator_encoded"}
RANDOM_TERMS = {"random_adversarial", "latent", "discriminator_random"}


def bicycle_config(settings: dict[str, Any] | None = None) -> Config:
    """A tiny configuration; `settings`: dotted key -> value."""
    return tiny_config().with_settings(
        {
            "model": "bicyclegan",
            "data.height": SIZE,
            "generator.kind": "unet",
            "generator.past_frames": 0,
            "generator.flow": False,
            "generator.num_downsamples": 3,
            "generator.norm": "instance_no_affine",
            "generator.latent_channels": 2,
            "losses.l1": 10,
            "losses.kl": 0.01,
            **(settings or {}),
        }
    )


def new_training(config: Config) -> tuple[TrainContext, BicycleState]:
    state = build_train_state(config, ConditionSpec(1), CPU)
    assert isinstance(state, BicycleState)
    return TrainContext(config, CPU, DISFlow()), state


def batch_of(step: int, batch_size: int = 2) -> ClipBatch:
    return random_clips(step, batch_size=batch_size, length=2, size=SIZE)


def changed_networks(config: Config) -> tuple[set[str], dict[str, float]]:
    """The networks that a step changes, and its loss terms."""
    context, state = new_training(config)
    networks = {"unet": state.generator.unet, "encoder": state.generator.encoder, **dict(state.discriminators)}
    before = {name: copy_weights(network) for name, network in networks.items()}
    terms = train_step(context, state, batch_of(0))
    return {name for name, network in networks.items() if not tensors_equal(copy_weights(network), before[name])}, terms


@pytest.mark.parametrize(
    ("settings", "networks", "terms"),
    [
        ({}, {"unet", "encoder", "encoded", "random"}, ENCODED_TERMS | RANDOM_TERMS),
        (CVAE_GAN, {"unet", "encoder", "encoded"}, ENCODED_TERMS),
        (CLR_GAN, {"unet", "encoder", "random"}, RANDOM_TERMS),
    ],
)
def test_train_step_changes_the_networks_of_its_terms(
    settings: dict[str, Any], networks: set[str], terms: set[str]
) -> None:
    changed, losses = changed_networks(bicycle_config(settings))
    assert changed == networks
    assert set(losses) == terms


def test_latent_term_updates_the_generator_only() -> None:
    """The gradients of the encoder do not depend on its weight; those of the U-Net do."""
    gradients = []
    for weight in (0.5, 5.0):
        context, state = new_training(bicycle_config({"losses.latent": weight}))
        train_step(context, state, batch_of(0))
        assert all(parameter.requires_grad for parameter in state.generator.parameters())
        gradients.append({name: parameter.grad for name, parameter in state.generator.named_parameters()})
    for name, first in gradients[0].items():
        second = gradients[1][name]
        assert first is not None
        assert second is not None
        if name.startswith("encoder."):
            assert torch.equal(first, second), name
    assert not torch.equal(gradients[0]["unet.down.0.0.weight"], gradients[1]["unet.down.0.0.weight"])


def test_discriminators_get_the_halves_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[Tensor] = []

    def record(discriminator: torch.nn.Module, real: Tensor, fakes: list[Tensor]) -> RealFakeOutputs:
        assert fakes[0].shape == real.shape
        received.append(real)
        return discriminate(discriminator, real, fakes)

    monkeypatch.setattr(bicyclegan, "discriminate", record)
    for batch_size, first, second in (
        (4, slice(0, 2), slice(2, 4)),
        (3, slice(0, 2), slice(1, 3)),
        (1, slice(1), slice(1)),
    ):
        received.clear()
        context, state = new_training(bicycle_config())
        batch = batch_of(0, batch_size)
        train_step(context, state, batch)
        assert torch.equal(received[0], batch.frames[first].flatten(0, 1))
        assert torch.equal(received[1], batch.frames[second].flatten(0, 1))


def test_loss_terms_by_hand() -> None:
    context, state = new_training(bicycle_config(CVAE_GAN))
    with torch.no_grad():  # the encoder gives N(0, 1) for each frame
        for head in (state.generator.encoder.mean, state.generator.encoder.log_variance):
            head.weight.zero_()
            head.bias.zero_()
        for weight in state.generator.unet.head.parameters():
            weight.zero_()  # black images: tanh(0) = 0
    batch = batch_of(0)
    terms = train_step(context, state, batch)
    assert terms["kl"] == 0
    assert terms["l1"] == pytest.approx(float(batch.frames.abs().mean()), abs=1e-6)


def test_resumed_training_equals_uninterrupted(tmp_path: Path) -> None:
    check_resumed_training_equals_uninterrupted(
        tmp_path, bicycle_config(), new_training, batch_of, networks=("generator", "generator_ema", "discriminators")
    )


def test_style_of_a_clip_is_encoded_and_reproduced() -> None:
    """The same conditions are red or blue: only the latent can tell which, and training finds it in seconds."""
    settings = {"generator.norm": "group", "generator.base_channels": 16, "generator.dropout": 0.0}
    config = bicycle_config({"optimizer.lr": 1e-3, "optimizer.ema_decay": 0.5, **settings})
    context, state = new_training(config)
    conditions = torch.zeros(4, 1, 1, SIZE, SIZE)
    conditions[..., 4:12, 4:12] = 1
    colours = torch.tensor([[0.8, -0.8, -0.8], [-0.8, -0.8, 0.8]]).repeat(2, 1)
    frames = colours[:, None, :, None, None] * conditions
    batch = ClipBatch(conditions, frames)
    for _ in range(150):
        train_step(context, state, batch)
    generator = state.generator_ema
    with torch.no_grad():
        styles, _ = generator.encoder(frames)
        errors = (generator.generate_clips(conditions, styles) - frames).abs().mean((1, 2, 3, 4))
        swapped = (generator.generate_clips(conditions, styles.flip(0)) - frames).abs().mean((1, 2, 3, 4))
    assert float(errors.max()) < 0.1
    assert float(swapped.min()) > 2 * float(errors.max())


def test_model_defines_the_published_settings() -> None:
    config = resolve_config("fast", None, ["model=bicyclegan"]).config
    losses = config.losses
    assert (losses.adversarial, losses.random_adversarial, losses.l1) == (1, 1, 10)
    assert (losses.latent, losses.kl, losses.gan_mode) == (0.5, 0.01, "lsgan")
    assert (losses.feature_matching, losses.perceptual, config.generator.num_downsamples) == (0, 0, 8)
    assert math.prod((config.schedule.clip_length, config.schedule.max_clip_length)) == 1


def test_config_without_a_term_on_images_is_refused() -> None:
    with pytest.raises(ValueError, match="no term"):
        bicycle_config({"losses.adversarial": 0, "losses.random_adversarial": 0, "losses.l1": 0})
    with pytest.raises(ValueError, match="feature_channels"):
        bicycle_config({"style.feature_channels": 3})


def test_fp16_training_equals_fp32() -> None:
    check_fp16_training_equals_fp32(bicycle_config(), new_training, batch_of)
