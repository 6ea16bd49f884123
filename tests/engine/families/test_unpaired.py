"""CycleGAN, DualGAN and DiscoGAN: updates, losses, resuming, and a colour mapping that is learned in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.factories import CPU, copy_weights, tensors_equal, tiny_config
from helpers.family_checks import check_fp16_training_equals_fp32
from torch import Tensor

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch, ReferenceFlow
from vid2vid_cli.engine.families import unpaired
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.families.unpaired import UnpairedState
from vid2vid_cli.engine.reference_flow import zero_flow
from vid2vid_cli.engine.state_files import load_train_state, save_train_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.engine.training_losses import RealFakeOutputs, discriminate
from vid2vid_cli.networks.flow_estimator import DISFlow

SIZE = 16


def unpaired_config(model: str = "cyclegan", settings: dict[str, Any] | None = None) -> Config:
    """A tiny configuration of a model; `settings`: dotted key -> value."""
    return tiny_config().with_settings(
        {
            "model": model,
            "data.height": SIZE,
            "generator.kind": "fast",
            "generator.past_frames": 0,
            "generator.flow": False,
            "generator.num_downsamples": 2,
            "generator.base_channels": 16,
            "schedule.clip_length": 1,
            "schedule.max_clip_length": 1,
            "losses.temporal_warp": 0,
            "unpaired.history_size": 4,
            **(settings or {}),
        }
    )


def new_training(config: Config) -> tuple[TrainContext, UnpairedState]:
    state = build_train_state(config, ConditionSpec(3), CPU)
    assert isinstance(state, UnpairedState)
    return TrainContext(config, CPU, DISFlow()), state


def squares(seed: int, colour: tuple[float, float, float], batch_size: int = 2, length: int = 1) -> Tensor:
    """Clips (b, t, 3, h, w) of a coloured square at a random position on grey."""
    generator = torch.Generator().manual_seed(seed)
    clips = torch.full((batch_size, length, 3, SIZE, SIZE), -0.6)
    for clip in clips:
        x, y = torch.randint(0, SIZE - 8, (2,), generator=generator).tolist()
        clip[:, :, y : y + 8, x : x + 8] = torch.tensor(colour).view(1, 3, 1, 1)
    return clips


RED, BLUE = (0.8, -0.8, -0.8), (-0.8, -0.8, 0.8)


def batch_of(step: int, length: int = 1) -> ClipBatch:
    return ClipBatch(squares(2 * step, RED, length=length), squares(2 * step + 1, BLUE, length=length))


def test_train_step_changes_every_network_and_returns_all_terms() -> None:
    context, state = new_training(unpaired_config())
    networks = (state.generator.a2b, state.generator.b2a, *state.discriminators.values(), state.generator_ema)
    before = [copy_weights(network) for network in networks]
    terms = train_step(context, state, batch_of(0))
    assert set(terms) == {"adversarial", "cycle", "identity", "discriminator_a2b", "discriminator_b2a"}
    assert not any(tensors_equal(copy_weights(network), old) for network, old in zip(networks, before, strict=True))
    assert len(state.history("a2b")) == len(state.history("b2a")) == 2


def test_cycle_of_identity_generators_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    context, state = new_training(unpaired_config())
    weight = next(state.generator.parameters())
    monkeypatch.setattr(state.generator, "translate", lambda frames, direction: frames + 0 * weight.sum())
    terms = train_step(context, state, batch_of(0))
    assert terms["cycle"] == terms["identity"] == 0


def test_discriminators_get_the_other_domain_as_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """The discriminator of a2b compares translated frames with real ones of B."""
    context, state = new_training(unpaired_config())
    received: list[Tensor] = []

    def record(discriminator: torch.nn.Module, real: Tensor, fakes: list[Tensor]) -> RealFakeOutputs:
        received.append(real)
        return discriminate(discriminator, real, fakes)

    monkeypatch.setattr(unpaired, "discriminate", record)
    batch = batch_of(0)
    train_step(context, state, batch)
    assert torch.equal(received[0], batch.frames.flatten(0, 1))
    assert torch.equal(received[1], batch.conditions.flatten(0, 1))


def test_temporal_loss_is_zero_where_the_output_moves_like_the_source() -> None:
    clip = squares(0, RED, length=3)
    assert float(unpaired.temporal_loss(clip, zero_flow(clip))) == 0  # zero confidence
    still = ReferenceFlow(torch.zeros(2, 3, 2, SIZE, SIZE), torch.ones(2, 3, 1, SIZE, SIZE))
    assert float(unpaired.temporal_loss(clip, still)) == pytest.approx(0, abs=1e-6)
    flickering = clip.clone()
    flickering[:, 1] += 0.3
    assert float(unpaired.temporal_loss(flickering, still)) == pytest.approx(0.3, abs=1e-5)


def test_temporal_term_needs_consecutive_frames() -> None:
    lengths = {"schedule.clip_length": 2, "schedule.max_clip_length": 2}
    config = unpaired_config(settings={"losses.temporal_warp": 10, **lengths})
    context, state = new_training(config)
    assert "temporal_warp" in train_step(context, state, batch_of(0, length=2))
    with pytest.raises(ValueError, match="clip_length"):
        config.with_settings({"schedule.clip_length": 1})


@pytest.mark.parametrize("model", ["cyclegan", "dualgan", "discogan"])
def test_resumed_training_equals_an_uninterrupted_one(model: str, tmp_path: Path) -> None:
    """With the history of generated images, which is full, and with dropout in dualgan."""
    settings: dict[str, Any] = {"unpaired.history_size": 3}
    if model != "cyclegan":
        settings |= {"generator.kind": "unet", "generator.num_downsamples": 4}
        settings |= {"generator.skip_connections": model == "dualgan"}
    context, uninterrupted = new_training(unpaired_config(model, settings))
    first_half, resumed = (new_training(context.config)[1] for _ in range(2))
    for step in range(6):
        torch.manual_seed(step)
        train_step(context, uninterrupted, batch_of(step))
    for step in range(4):
        train_step(context, first_half, batch_of(step))
    load_train_state(save_train_state(tmp_path, first_half, {}), resumed, CPU)
    for step in range(4, 6):
        train_step(context, resumed, batch_of(step))
    for name in ("generator", "generator_ema", "discriminators"):
        assert tensors_equal(copy_weights(getattr(resumed, name)), copy_weights(getattr(uninterrupted, name)))


def test_wgan_clips_the_weights_of_the_discriminators() -> None:
    config = unpaired_config(
        "dualgan",
        {
            "losses.gan_mode": "wgan",
            "unpaired.weight_clip": 0.01,
            "unpaired.discriminator_updates": 2,
            "optimizer.algorithm": "rmsprop",
        },
    )
    context, state = new_training(config)
    train_step(context, state, batch_of(0))
    assert max(float(weight.detach().abs().max()) for weight in state.discriminators.parameters()) <= 0.01
    assert isinstance(state.generator_optimizer, torch.optim.RMSprop)


def test_training_learns_a_colour_mapping() -> None:
    """Red squares become blue and blue ones red, at the same positions, without a pair."""
    config = unpaired_config(
        settings={
            "optimizer.lr": 2e-3,
            "optimizer.discriminator_lr": 1e-3,
            "optimizer.ema_decay": 0.5,
            "losses.identity": 0,
            "losses.cycle": 5,
            "discriminators.image.base_channels": 8,
        }
    )
    context, state = new_training(config)
    for step in range(100):
        train_step(context, state, batch_of(step))
    for source, target, direction in ((RED, BLUE, "a2b"), (BLUE, RED, "b2a")):
        frames, expected = squares(999, source)[:, 0], squares(999, target)[:, 0]
        with torch.no_grad():
            translated = state.generator_ema.translate(frames, direction)
        assert float((translated - expected).abs().mean()) < 0.5 * float((frames - expected).abs().mean())


def test_fp16_training_equals_fp32() -> None:
    check_fp16_training_equals_fp32(unpaired_config(), new_training, batch_of)
