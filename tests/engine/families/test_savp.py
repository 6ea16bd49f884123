"""SAVP: updates, schedules, variants, resuming, samples, and a moving square that is predicted after seconds."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.factories import CPU, copy_weights, tensors_equal, tiny_config
from helpers.family_checks import check_fp16_training_equals_fp32
from torch import Tensor

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.families.savp import SavpState, kl_factor, predict_clips, real_frame_prob
from vid2vid_cli.engine.prediction import continue_clip
from vid2vid_cli.engine.state_files import load_train_state, save_train_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.metrics.image import psnr
from vid2vid_cli.networks.flow_estimator import DISFlow

SIZE = 16
POSTERIOR_TERMS = {"posterior_adversarial", "posterior_features", "posterior_discriminator"}
PRIOR_TERMS = {"prior_adversarial", "prior_discriminator"}
WITHOUT_GAN = {f"losses.{name}": 0 for name in ("posterior_adversarial", "posterior_features", "prior_adversarial")}


def savp_config(settings: dict[str, Any] | None = None) -> Config:
    """A tiny configuration; `settings`: dotted key -> value."""
    return tiny_config().with_settings(
        {
            "model": "savp",
            "data.height": SIZE,
            "generator.kind": "savp",
            "generator.target": "future_frames",
            "generator.flow": False,
            "generator.base_channels": 4,
            "generator.num_downsamples": 2,
            "generator.latent_channels": 2,
            "schedule.initial_frames": "real",
            "schedule.clip_length": 4,
            "schedule.max_clip_length": 4,
            "losses.l1": 100,
            "savp.kl_anneal_start": 0,
            "savp.kl_anneal_steps": 0,
            "savp.discriminator_channels": 4,
            **(settings or {}),
        }
    )


def new_training(config: Config) -> tuple[TrainContext, SavpState]:
    state = build_train_state(config, ConditionSpec(3), CPU)
    assert isinstance(state, SavpState)
    return TrainContext(config, CPU, DISFlow()), state


def moving_squares(seed: int, batch_size: int = 2, length: int = 6) -> Tensor:
    """Clips (b, t, 3, h, w) of a square that moves one pixel to the right per frame, on grey."""
    generator = torch.Generator().manual_seed(seed)
    clips = torch.full((batch_size, length, 3, SIZE, SIZE), -0.5)
    for clip in clips:
        x, y = torch.randint(0, SIZE - 5 - length, (2,), generator=generator).tolist()
        for index, frame in enumerate(clip):
            frame[:, y : y + 6, x + index : x + index + 6] = 0.8
    return clips


def batch_of(step: int, length: int = 6) -> ClipBatch:
    frames = moving_squares(step, length=length)
    return ClipBatch(frames, frames)


def test_real_frame_prob_by_hand() -> None:
    assert real_frame_prob(900, 0) == pytest.approx(900 / 901)
    assert real_frame_prob(900, 900) == pytest.approx(900 / (900 + math.e))
    assert real_frame_prob(900, round(900 * math.log(900))) == pytest.approx(0.5, abs=1e-3)
    assert real_frame_prob(900, 900 * 14) == 0  # below 0.001
    assert real_frame_prob(0, 0) == 0


def test_kl_factor_grows_linearly() -> None:
    config = savp_config({"savp.kl_anneal_start": 10, "savp.kl_anneal_steps": 20})
    assert [kl_factor(config, step) for step in (0, 10, 15, 30, 99)] == [0, 0, 0.25, 1, 1]
    assert kl_factor(savp_config(), 0) == 1


def test_train_step_changes_every_network_and_returns_all_terms() -> None:
    context, state = new_training(savp_config())
    assert state.generator.encoder is not None
    networks = (state.generator.cell, state.generator.encoder, *state.discriminators.values(), state.generator_ema)
    before = [copy_weights(network) for network in networks]
    terms = train_step(context, state, batch_of(0))
    assert set(terms) == {"l1", "kl", *POSTERIOR_TERMS, *PRIOR_TERMS}
    assert not any(tensors_equal(copy_weights(network), old) for network, old in zip(networks, before, strict=True))


@pytest.mark.parametrize(
    ("settings", "terms", "trained"),
    [
        ({"generator.latent_channels": 0, **WITHOUT_GAN}, {"l1"}, set()),
        (WITHOUT_GAN, {"l1", "kl"}, set()),
        (
            {"generator.latent_encoder": False, "losses.kl": 0, "losses.prior_features": 10},
            {"l1", "prior_features", *PRIOR_TERMS},
            {"prior"},
        ),
        ({"losses.prior_adversarial": 0}, {"l1", "kl", *POSTERIOR_TERMS}, {"posterior"}),
    ],
    ids=["deterministic", "VAE", "GAN", "VAE-GAN"],
)
def test_variants_compute_their_terms_and_train_their_networks(
    settings: dict[str, Any], terms: set[str], trained: set[str]
) -> None:
    context, state = new_training(savp_config(settings))
    before = {name: copy_weights(network) for name, network in state.discriminators.items()}
    assert set(train_step(context, state, batch_of(0))) == terms
    changed = {
        name for name, network in state.discriminators.items() if not tensors_equal(copy_weights(network), before[name])
    }
    assert changed == trained


def test_prior_rollout_differs_after_the_known_frames_only() -> None:
    """Between known frames both rollouts have the posterior's latents."""
    config = savp_config({"generator.past_frames": 3})
    _, state = new_training(config)
    with torch.no_grad():
        for weight in state.generator.parameters():
            weight.mul_(5)  # so that latents have a visible effect
        torch.manual_seed(0)
        rollouts = predict_clips(config, state, batch_of(0).frames)
    posterior, prior = rollouts.predicted["posterior"], rollouts.predicted["prior"]
    assert torch.equal(posterior[:, :2], prior[:, :2])
    assert not torch.equal(posterior[:, 2], prior[:, 2])


def test_scheduled_sampling_uses_predictions_after_the_known_frames() -> None:
    """With k=0 the frames after the known ones have no effect on the prediction; at the start of training they have."""
    results = {}
    for k in (0, 900):
        config = savp_config({"savp.scheduled_sampling_k": k, "generator.latent_channels": 0, **WITHOUT_GAN})
        _, state = new_training(config)
        frames = batch_of(0).frames
        changed = frames.clone()
        changed[:, 2:] = 1.0
        predicted = []
        for clip in (frames, changed):
            torch.manual_seed(0)
            predicted.append(predict_clips(config, state, clip).reconstructed.detach())
        results[k] = torch.equal(*predicted)
    assert results == {0: True, 900: False}


def test_resumed_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    config = savp_config()
    context, state = new_training(config)
    for step in range(4):
        train_step(context, state, batch_of(step))
        if step == 1:
            folder = save_train_state(tmp_path, state, {})
    context, resumed = new_training(config)
    load_train_state(folder, resumed, CPU)
    for step in range(2, 4):
        train_step(context, resumed, batch_of(step))
    for name, network in state.trainable_networks().items():
        assert tensors_equal(copy_weights(network), copy_weights(resumed.trainable_networks()[name])), name


def test_samples_depend_on_their_seed_only() -> None:
    _, state = new_training(savp_config())
    with torch.no_grad():
        for weight in state.generator_ema.parameters():
            weight.mul_(5)  # untrained, latents have hardly any effect
    known = batch_of(0).frames[0, :2]
    first = torch.stack(list(islice(continue_clip(state.generator_ema, known, [1, 2], CPU), 3)))
    again = torch.stack(list(islice(continue_clip(state.generator_ema, known, [2, 1], CPU), 3)))
    assert first.shape == (3, 2, 3, SIZE, SIZE)
    assert torch.allclose(first[:, 0], again[:, 1], atol=1e-5)
    assert (first[:, 0] - first[:, 1]).abs().max() > 1e-3


def jumping_squares(seed: int, batch_size: int = 8, length: int = 5) -> Tensor:
    """Clips (b, t, 3, h, w) of a square that moves two pixels per frame, each time in one of four random directions."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.tensor([(0, 2), (0, -2), (2, 0), (-2, 0)])
    clips = torch.full((batch_size, length, 3, SIZE, SIZE), -0.5)
    for clip in clips:
        position = torch.randint(0, SIZE - 5, (2,), generator=generator)
        for frame in clip:
            y, x = position.tolist()
            frame[:, y : y + 5, x : x + 5] = 0.8
            step = directions[int(torch.randint(4, (), generator=generator))]
            inside = bool(((position + step >= 0) & (position + step <= SIZE - 5)).all())
            position = position + (step if inside else -step)
    return clips


def error_with_latents_of(state: SavpState, frames: Tensor, shift: int) -> float:
    """Mean L1 of the next frames with the encoded latents of the clip that is `shift` further in the batch."""
    generator = state.generator
    generator.eval()
    with torch.no_grad():
        latents = generator.encode(frames)[0].roll(shift, 0)
        clip_state, errors = generator.start(frames[:, 0]), []
        for index in range(frames.shape[1] - 1):
            predicted, clip_state = generator(frames[:, index], latents[:, index], clip_state)
            errors.append((predicted - frames[:, index + 1]).abs().mean())
    generator.train()
    return float(torch.stack(errors).mean())


def test_latents_are_used_after_seconds_with_the_motion_encoder() -> None:
    """The latents of another clip give another motion."""
    settings = {
        **{"generator.motion_encoder": True, "generator.latent_injection": "norm", "generator.transformation": "flow"},
        **{"generator.base_channels": 8, "generator.latent_channels": 4, "optimizer.lr": 3e-3, "losses.kl": 0},
        **{"savp.scheduled_sampling_k": 900, **WITHOUT_GAN},
    }
    context, state = new_training(savp_config(settings))
    for step in range(90):
        frames = jumping_squares(step)
        train_step(context, state, ClipBatch(frames, frames))
    frames = jumping_squares(1000, batch_size=16)
    assert error_with_latents_of(state, frames, 1) > 1.2 * error_with_latents_of(state, frames, 0)


def test_ema_has_the_running_statistics_of_the_motion_encoder() -> None:
    context, state = new_training(savp_config({"generator.motion_encoder": True}))
    initial = [buffer.clone() for buffer in state.generator.buffers()]
    train_step(context, state, batch_of(0))
    trained, ema = list(state.generator.buffers()), list(state.generator_ema.buffers())
    assert len(trained) == 3
    assert not any(torch.equal(old, new) for old, new in zip(initial, trained, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(trained, ema, strict=True))


def test_moving_square_is_predicted_better_than_by_copying_the_last_frame() -> None:
    settings = {"generator.latent_channels": 0, "generator.base_channels": 8, "optimizer.lr": 5e-3, **WITHOUT_GAN}
    context, state = new_training(savp_config({**settings, "optimizer.ema_decay": 0.8, "savp.scheduled_sampling_k": 5}))
    for step in range(60):
        train_step(context, state, batch_of(step))
    frames = moving_squares(1000, batch_size=1)[0]
    predicted = torch.cat(list(islice(continue_clip(state.generator_ema, frames[:2], [0], CPU), 3)))
    copy_last = frames[1:2].expand(3, -1, -1, -1)
    assert float((psnr(predicted, frames[2:5]) - psnr(copy_last, frames[2:5])).mean()) > 2


def test_fp16_training_equals_fp32() -> None:
    check_fp16_training_equals_fp32(savp_config(), new_training, batch_of)
