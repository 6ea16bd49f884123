"""VAE-GAN: sizes, losses by hand, which term trains which network, resuming, and codes that keep a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.factories import CPU, tiny_config
from helpers.family_checks import check_fp16_training_equals_fp32, check_resumed_training_equals_uninterrupted

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.build import count_parameters
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.families.vaegan import VaeGanState
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.losses.vaegan import learned_similarity_loss, prior_loss
from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.networks.vaegan import VaeGanDiscriminator, VaeGanGenerator

SIZE = 16
TERMS = ("similarity", "kl", "adversarial", "l1")


def vaegan_config(settings: dict[str, Any] | None = None) -> Config:
    return tiny_config().with_settings(
        {
            "model": "vaegan",
            "data.height": SIZE,
            "generator.kind": "unet",
            "generator.past_frames": 0,
            "generator.flow": False,
            "generator.num_downsamples": 1,
            "generator.base_channels": 8,
            "generator.latent_channels": 8,
            "generator.norm": "group",
            "discriminators.image.base_channels": 4,
            "losses.gan_mode": "vanilla",
            "losses.similarity": 1.0,
            "losses.adversarial": 1.0,
            "losses.l1": 0.0,
            "losses.perceptual": 0.0,
            **(settings or {}),
        }
    )


def new_training(config: Config) -> tuple[TrainContext, VaeGanState]:
    state = build_train_state(config, ConditionSpec(3), CPU)
    assert isinstance(state, VaeGanState)
    return TrainContext(config, CPU, DISFlow()), state


def batch_of(step: int) -> ClipBatch:
    frames = torch.rand(4, 1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(step)) * 2 - 1
    return ClipBatch(frames, frames)


def trained_networks(settings: dict[str, Any]) -> set[str]:
    """The networks that get gradients in one step."""
    context, state = new_training(vaegan_config(settings))
    train_step(context, state, batch_of(0))
    networks = {
        "encoder": state.generator.encoder,
        "decoder": state.generator.decoder,
        "discriminator": state.discriminator,
    }
    return {
        name
        for name, network in networks.items()
        if any(weight.grad is not None and weight.grad.abs().max() > 1e-12 for weight in network.parameters())
    }


def test_published_sizes() -> None:
    """64 pixels: convolutions, linear layers over 8 x 8 cells, and a code of 128 values."""
    generator = VaeGanGenerator(base_channels=64, num_downsamples=3, code_size=128, norm="group", upsample="transpose")
    convs = 25 * (3 * 64 + 64 * 128 + 128 * 256) + 3 * (64 + 128 + 256)
    linear = (16384 + 1 + 2) * 2048 + 2 * (2048 + 1) * 128
    assert count_parameters(generator.encoder) == convs + linear
    convs = 25 * (256 * 256 + 256 * 128 + 128 * 32 + 32 * 3) + 3 * (256 + 128 + 32) + 3
    assert count_parameters(generator.decoder) == convs + (128 + 1) * 16384 + 2 * 256
    discriminator = VaeGanDiscriminator(base_channels=32, num_downsamples=3)
    convs = 25 * (3 * 32 + 32 * 128 + 128 * 256 + 256 * 256) + 32 + 3 * (128 + 256 + 256)
    assert count_parameters(discriminator) == convs + (16384 + 1 + 2) * 512 + 513


def test_losses_by_hand() -> None:
    assert float(learned_similarity_loss(torch.tensor([[[[3.0, 0.0]]]]), torch.zeros(1, 1, 1, 2))) == 9 / 4
    mean, log_variance = torch.tensor([[1.0, 0.0], [1.0, 2.0]]), torch.zeros(2, 2)
    assert float(prior_loss(mean, log_variance, 10)) == pytest.approx((1 + 1 + 4) / 2 / 2 / 10)


def test_step_returns_all_terms() -> None:
    context, state = new_training(vaegan_config({"losses.l1": 1.0}))
    assert set(train_step(context, state, batch_of(0))) == {*TERMS, "discriminator"}


@pytest.mark.parametrize(
    ("settings", "networks"),
    [
        ({}, {"encoder", "decoder", "discriminator"}),
        # The adversarial term alone does not train the encoder; the discriminator is trained for its features.
        ({"losses.similarity": 0.0, "losses.l1": 1e-30, "losses.kl": 0.0}, {"decoder", "discriminator"}),
        ({"losses.similarity": 0.0, "losses.adversarial": 0.0, "losses.l1": 1.0}, {"encoder", "decoder"}),
    ],
)
def test_each_term_trains_its_networks(settings: dict[str, Any], networks: set[str]) -> None:
    assert trained_networks(settings) == networks


def test_config_without_a_comparison_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match=r"losses\.similarity"):
        vaegan_config({"losses.similarity": 0.0})
    with pytest.raises(ValueError, match="latent_channels"):
        vaegan_config({"generator.latent_channels": 0})


def test_resumed_training_equals_uninterrupted(tmp_path: Path) -> None:
    check_resumed_training_equals_uninterrupted(
        tmp_path, vaegan_config(), new_training, batch_of, networks=("generator", "generator_ema", "discriminator")
    )


@torch.no_grad()
def test_any_size_is_accepted_and_offset_moves_the_code() -> None:
    _, state = new_training(vaegan_config())
    window = torch.rand(2, 1, 3, 19, 30)
    image = state.generator(window, ()).image
    assert image.shape == (2, 3, 19, 30)
    code, _ = state.generator.encode(window[:, 0])
    moved = state.generator(window, (), offset=-code).image
    assert torch.allclose(moved, state.generator.decode(torch.zeros_like(code), 19, 30), atol=1e-6)


def test_preset_ends_at_the_published_grid() -> None:
    """64 pixels are halved three times, 256 five times: to 8 x 8 cells."""
    assert resolve_config("vaegan", None, ()).config.generator.num_downsamples == 3
    assert resolve_config("vaegan", None, ("data.height=256",)).config.generator.num_downsamples == 5


def test_codes_keep_frames_apart() -> None:
    """After a short training, a dark and a bright square are reconstructed as such."""
    context, state = new_training(
        vaegan_config(
            {
                "optimizer.lr": 2e-3,
                "optimizer.ema_decay": 0.5,
                "losses.adversarial": 0.1,
                "losses.similarity": 10.0,
                "losses.l1": 10.0,
            }
        )
    )
    frames = torch.full((4, 1, 3, SIZE, SIZE), -0.8)
    frames[:2, :, :, 4:12, 4:12] = 0.8
    for _ in range(60):
        train_step(context, state, ClipBatch(frames, frames))
    with torch.no_grad():
        images = state.generator_ema(frames, ()).image
    centres = images[:, :, 6:10, 6:10].mean((1, 2, 3))
    assert float(centres[:2].min() - centres[2:].max()) > 0.8


def test_fp16_training_equals_fp32() -> None:
    check_fp16_training_equals_fp32(vaegan_config(), new_training, batch_of)
