"""What a training step computes once, or not at all, and that the faster memory format has the same losses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from engine.test_step import build_inputs
from helpers.factories import CPU, random_clips, tiny_config, tiny_state
from networks.test_reference_blend import with_references
from torch import Tensor, nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.families import paired
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.networks.flow_estimator import DISFlow

SMALL = [
    *("generator.base_channels=8", "generator.num_res_blocks=2", "schedule.image_warmup_steps=0", "data.height=32"),
    *("losses.region_adversarial=0", "losses.region_feature_matching=0", "discriminators.region.names=[]"),
    *("generator.num_downsamples=2", "discriminators.image.num_scales=1", "discriminators.image.num_layers=2"),
    *("optimizer.lr=2e-5", "optimizer.discriminator_lr=2e-5"),
]
"""Without what amplifies rounding: normalisation over the few cells of small maps, and Adam, which moves a weight with
a gradient near zero by the full learning rate.
"""
SIZE, NUM_STEPS = 32, 2


def clips(seed: int, *, has_references: bool) -> ClipBatch:
    """A clip of four frames; if required with two references, the same for each of them."""
    batch = random_clips(seed, size=SIZE)
    return with_references(batch, seed) if has_references else batch


def step_losses(config: Config, *, channels_last: bool) -> list[dict[str, float]]:
    """The losses of some steps of the same training in fp32."""
    runtime = replace(CPU, channels_last=channels_last)
    state = build_train_state(config, ConditionSpec(1), runtime)
    context = TrainContext(config, runtime, DISFlow())
    has_references = config.generator.num_references > 0
    return [train_step(context, state, clips(seed, has_references=has_references)) for seed in range(NUM_STEPS)]


@pytest.mark.parametrize("kind", ["composite", "fast", "spade"])
def test_losses_are_equal_in_both_memory_formats(kind: str) -> None:
    """To rounding; `fast` and `spade` have references."""
    settings = [*SMALL, *([] if kind == "composite" else [f"generator.kind={kind}"])]
    config = resolve_config("tiny" if kind == "composite" else "fast", None, settings, {}).config
    assert (config.generator.num_references > 0) == (kind != "composite")
    contiguous, channels_last = (step_losses(config, channels_last=is_last) for is_last in (False, True))
    assert [list(losses) for losses in contiguous] == [list(losses) for losses in channels_last]
    for first, second in zip(contiguous, channels_last, strict=True):
        assert second == pytest.approx(first, rel=5e-4, abs=1e-4)
    assert contiguous[0] != contiguous[-1]


@dataclass(frozen=True)
class _Pass:
    """A forward pass of a discriminator."""

    num_images: int
    input_has_gradient: bool
    output_has_gradient: bool


def record_passes(network: nn.Module) -> list[_Pass]:
    passes: list[_Pass] = []

    def record(_: nn.Module, inputs: tuple[Tensor, ...], outputs: Any) -> None:
        passes.append(_Pass(len(inputs[0]), inputs[0].requires_grad, outputs[0][-1].requires_grad))

    network.register_forward_hook(record)
    return passes


def test_discriminators_receive_real_and_generated_frames_in_one_pass() -> None:
    """It serves the losses of generator and discriminators; no gradients are computed for real frames."""
    context, state = tiny_state(tiny_config())
    chunk, inputs = build_inputs(context, state)
    passes = record_passes(state.image_discriminator)
    temporal_passes = record_passes(state.temporal_discriminators["1"])
    paired._update_networks(context, state, chunk, inputs, styles=None)
    num_frames = len(chunk.real)
    assert passes == [_Pass(num_frames * (1 + len(chunk.fake_images)), True, True)]
    assert temporal_passes == [_Pass(2 * len(inputs.temporal_pairs["1"][0]), True, True)]
    assert not chunk.real.requires_grad
    assert not inputs.temporal_pairs["1"][0].requires_grad
