"""Fader Networks: updates, losses by hand, resuming, and an attribute that synthesis changes after seconds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.factories import CPU, copy_weights, tensors_equal, tiny_config
from helpers.family_checks import check_fp16_training_equals_fp32, check_resumed_training_equals_uninterrupted

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch, ShapeError
from vid2vid_cli.engine.families.fader import FaderState
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.losses.fader import attribute_adversarial_loss, attribute_loss
from vid2vid_cli.networks.flow_estimator import DISFlow

SIZE = 16


def fader_config(settings: dict[str, Any] | None = None) -> Config:
    return tiny_config().with_settings(
        {
            "model": "fader",
            "data.height": SIZE,
            "generator.kind": "unet",
            "generator.past_frames": 0,
            "generator.flow": False,
            "generator.num_downsamples": 2,
            "generator.base_channels": 16,
            "generator.norm": "group",
            "generator.attributes": ("bright",),
            "schedule.attribute_warmup_steps": 0,
            **(settings or {}),
        }
    )


def new_training(config: Config) -> tuple[TrainContext, FaderState]:
    state = build_train_state(config, ConditionSpec(3), CPU)
    assert isinstance(state, FaderState)
    return TrainContext(config, CPU, DISFlow()), state


def batch_of(step: int) -> ClipBatch:
    """Squares at random positions; the attribute is their brightness."""
    generator = torch.Generator().manual_seed(step)
    attributes = torch.tensor([-1.0, 1.0] * 4).view(8, 1, 1)
    frames = torch.full((8, 1, 3, SIZE, SIZE), -0.8)
    for frame, attribute in zip(frames, attributes.flatten().tolist(), strict=True):
        x, y = torch.randint(0, SIZE - 8, (2,), generator=generator).tolist()
        frame[:, :, y : y + 8, x : x + 8] = 0.2 + 0.6 * attribute
    return ClipBatch(frames, frames, attributes=attributes)


def test_losses_by_hand() -> None:
    logits, attributes = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]])
    expected = (math.log(2) + math.log1p(math.exp(-2))) / 2
    assert float(attribute_loss(logits, attributes)) == pytest.approx(expected, abs=1e-6)
    assert float(attribute_adversarial_loss(logits, attributes)) == pytest.approx(expected + 1, abs=1e-6)


def test_step_changes_both_networks_and_returns_all_terms() -> None:
    context, state = new_training(fader_config())
    before = copy_weights(state.generator), copy_weights(state.attribute_classifier)
    terms = train_step(context, state, batch_of(0))
    assert set(terms) == {"l1", "attribute_adversarial", "attribute_classifier"}
    assert not tensors_equal(copy_weights(state.generator), before[0])
    assert not tensors_equal(copy_weights(state.attribute_classifier), before[1])


def test_weight_of_the_adversary_grows_from_zero() -> None:
    """In the first step of the warm-up, the encoder's gradients do not depend on the weight."""
    gradients = []
    for weight in (0.1, 10.0):
        settings = {"schedule.attribute_warmup_steps": 10, "losses.attribute_adversarial": weight}
        context, state = new_training(fader_config(settings))
        train_step(context, state, batch_of(0))
        gradients.append([parameter.grad for parameter in state.generator.parameters()])
    assert all(a is not None and b is not None and torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_batch_without_attributes_is_refused() -> None:
    context, state = new_training(fader_config())
    batch = batch_of(0)
    with pytest.raises(ShapeError):
        train_step(context, state, ClipBatch(batch.frames, batch.frames))


def test_config_without_attributes_is_refused() -> None:
    with pytest.raises(ValueError, match="attributes"):
        fader_config({"generator.attributes": ()})


def test_resumed_training_equals_uninterrupted(tmp_path: Path) -> None:
    check_resumed_training_equals_uninterrupted(
        tmp_path,
        fader_config(),
        new_training,
        batch_of,
        networks=("generator", "generator_ema", "attribute_classifier"),
    )


@torch.no_grad()
def test_any_size_is_accepted() -> None:
    _, state = new_training(fader_config())
    image = state.generator(torch.rand(2, 1, 3, 19, 30), (), attributes=torch.zeros(2, 1)).image
    assert image.shape == (2, 3, 19, 30)


def test_attribute_changes_the_frame_and_not_the_rest() -> None:
    """After a short training, the attribute of a frame can be set: dark squares become bright."""
    settings = {"optimizer.lr": 3e-3, "optimizer.discriminator_lr": 3e-3, "optimizer.ema_decay": 0.5}
    context, state = new_training(fader_config({**settings, "schedule.attribute_warmup_steps": 50}))
    for step in range(250):
        train_step(context, state, batch_of(step))
    batch = batch_of(1000)
    frames = batch.frames[::2, 0]  # the dark ones
    inside = frames > -0.6
    with torch.no_grad():
        images = {
            value: state.generator_ema(frames[:, None], (), attributes=torch.full((4, 1), value)).image
            for value in (-1.0, 1.0)
        }
    assert float((images[-1.0] - frames).abs().mean()) < 0.15
    assert float((images[1.0] - images[-1.0])[inside].mean()) > 0.6  # 1.2 in the data
    assert float((images[1.0] - images[-1.0])[~inside].abs().mean()) < 0.3


def test_fp16_training_equals_fp32() -> None:
    check_fp16_training_equals_fp32(fader_config(), new_training, batch_of)
