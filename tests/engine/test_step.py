"""Training steps: updated networks, loss terms, reference flow, precision, divergence and overfitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.factories import CPU, copy_weights, random_clips, tensors_equal, tiny_config, tiny_state
from torch import Tensor, nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import DivergenceError
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.build import discriminator_input_format, loss_settings
from vid2vid_cli.engine.chunk import Chunk, gather_chunk
from vid2vid_cli.engine.discriminator_inputs import DiscriminatorInputs, region_pairs, temporal_pairs
from vid2vid_cli.engine.families import paired
from vid2vid_cli.engine.families.paired import PairedState
from vid2vid_cli.engine.inference import generate_clip
from vid2vid_cli.engine.reference_flow import FlowEstimator, estimate_reference_flow
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext, trained_weights, update_weights
from vid2vid_cli.engine.training_losses import (
    RealFakeOutputs,
    adversarial_losses,
    discriminator_loss,
    flow_losses,
    image_losses,
)
from vid2vid_cli.losses.reconstruction import weighted_sum

IMAGE = {"adversarial", "feature_matching", "l1", "image_discriminator"}
MOTION = {"flow", "flow_warp", "temporal_warp", "occlusion"}
TIME = {"temporal_adversarial", "temporal_feature_matching"}


def build_inputs(context: TrainContext, state: TrainState) -> tuple[Chunk, DiscriminatorInputs]:
    """A clip as one chunk, and the inputs of the discriminators, as in a training step."""
    batch = random_clips(length=4)
    flows = {stride: estimate_reference_flow(context.flow_estimator, batch.frames, stride) for stride in (1, 3)}
    outputs = list(rollout(state.generator, batch.conditions.unbind(1)))
    fakes = torch.stack([output.image for output in outputs], 1)
    chunk = gather_chunk(
        outputs,
        start=0,
        conditions=batch.conditions,
        frames=batch.frames,
        fakes=fakes,
        reference_flow=flows[1],
        region_boxes=batch.regions,
        input_format=discriminator_input_format(context.config.discriminators.image),
    )
    return chunk, DiscriminatorInputs(
        temporal_pairs(context.config, batch.frames, fakes, flows, start=0), region_pairs(context.config, chunk)
    )


def gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def gradients_of_separate_passes(context: TrainContext, state: PairedState) -> tuple[list[Tensor], list[Tensor]]:
    """Gradients of generator and discriminators, each from a loss of passes of its own."""
    losses = loss_settings(context.config.losses)
    chunk, inputs = build_inputs(context, state)
    pairs = (inputs.temporal_pairs, state.temporal_discriminators), (inputs.region_pairs, state.region_discriminators)
    conditions = chunk.discriminator_conditions

    def join(image: Tensor) -> Tensor:
        return torch.cat([conditions, image], 1)

    def as_outputs(real: Tensor, fakes: Sequence[Tensor], discriminator: nn.Module) -> RealFakeOutputs:
        return RealFakeOutputs(discriminator(real), [discriminator(fake) for fake in fakes])

    def all_outputs(*, detached: bool) -> list[list[RealFakeOutputs]]:
        def prepare(image: Tensor) -> Tensor:
            return image.detach() if detached else image

        image_outputs = as_outputs(
            join(chunk.real), [prepare(join(fake)) for fake in chunk.fake_images], state.image_discriminator
        )
        return [
            [image_outputs],
            *(
                [as_outputs(real, [prepare(fake)], networks[name]) for name, (real, fake) in inputs_of_kind.items()]
                for inputs_of_kind, networks in pairs
            ),
        ]

    (image,), temporal, region = all_outputs(detached=False)
    terms = image_losses(chunk, image, None, losses) | flow_losses(chunk)
    terms |= adversarial_losses("temporal", temporal, losses) | adversarial_losses("region", region, losses)
    generator_gradients = torch.autograd.grad(
        weighted_sum(terms, losses.weights), list(state.generator.parameters()), allow_unused=True
    )
    discriminator_terms = [
        discriminator_loss(outputs, losses) for kind in all_outputs(detached=True) for outputs in kind
    ]
    discriminator_gradients = torch.autograd.grad(
        torch.stack(discriminator_terms).sum(), trained_weights(state.discriminator_optimizer), allow_unused=True
    )
    return [g for g in generator_gradients if g is not None], [g for g in discriminator_gradients if g is not None]


def test_update_has_the_gradients_of_separate_passes() -> None:
    """One pass of each discriminator serves both losses; a loss changes the weights of its own networks only."""
    context, state = tiny_state(tiny_config())
    expected = gradients_of_separate_passes(context, state)
    paired._update_networks(context, state, *build_inputs(context, state), styles=None)
    discriminators = [state.image_discriminator, *state.temporal_discriminators.values()]
    actual = gradients(state.generator), [g for network in discriminators for g in gradients(network)]
    for actual_gradients, expected_gradients in zip(actual, expected, strict=True):
        assert len(actual_gradients) == len(expected_gradients) > 0
        for actual_gradient, expected_gradient in zip(actual_gradients, expected_gradients, strict=True):
            # Not closer: biases before a normalisation have no gradient but rounding.
            torch.testing.assert_close(actual_gradient, expected_gradient, rtol=1e-3, atol=1e-4)
        assert max(float(gradient.abs().max()) for gradient in actual_gradients) > 0.1


def test_update_changes_all_networks() -> None:
    context, state = tiny_state(tiny_config())
    names = ("generator", "image_discriminator", "temporal_discriminators")
    before = {name: copy_weights(getattr(state, name)) for name in names}
    paired._update_networks(context, state, *build_inputs(context, state), styles=None)
    assert not any(tensors_equal(copy_weights(getattr(state, name)), before[name]) for name in names)


def test_next_pass_uses_the_updated_weights() -> None:
    """Autocast keeps the weights that it converted until its context ends, after all updates with a batch."""
    context, state = tiny_state(tiny_config())
    network, inputs = nn.Linear(2, 1, bias=False), torch.ones(1, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    with replace(CPU, precision="bf16").autocast():
        before = network(inputs)
        update_weights(context, optimizer, before.sum(), scaler=state.generator_scaler)
        assert float(network(inputs).detach()) == pytest.approx(float(before.detach()) - 2, abs=0.05)


def test_discriminators_without_loss_weights_are_unused() -> None:
    """They take part with the default weights."""
    names = ("adversarial", "feature_matching", "temporal_adversarial", "temporal_feature_matching")
    context, state = tiny_state(tiny_config(losses=dict.fromkeys(names, 0.0)))
    before = {name: copy_weights(getattr(state, name)) for name in ("image_discriminator", "temporal_discriminators")}
    terms = train_step(context, state, random_clips(0, length=4))
    assert not [name for name in terms if "adversarial" in name or "matching" in name or "image_discriminator" in name]
    assert all(tensors_equal(copy_weights(getattr(state, name)), before[name]) for name in before)
    context, _ = tiny_state(tiny_config())
    terms = train_step(context, state, random_clips(1, length=4))
    assert {"adversarial", "feature_matching", "temporal_adversarial", "image_discriminator"} <= set(terms)
    assert not any(tensors_equal(copy_weights(getattr(state, name)), before[name]) for name in before)


def test_train_step_updates_all_generator_weights() -> None:
    """Flow and occlusion heads get gradients from the first step, the flow decoder when the flow is not zero."""
    context, state = tiny_state(tiny_config())
    before = {name: value.clone() for name, value in state.generator.named_parameters()}
    for index in range(2):
        train_step(context, state, random_clips(index))
    unchanged = [name for name, value in state.generator.named_parameters() if torch.equal(value, before[name])]
    # Normalisation removes the bias before it, which therefore may not change.
    assert [name for name in unchanged if name.endswith("weight")] == []


def test_train_step_returns_all_loss_terms() -> None:
    context, state = tiny_state(tiny_config())
    temporal = {"temporal_discriminator_1"}
    assert set(train_step(context, state, random_clips(length=4))) == IMAGE | MOTION | TIME | temporal
    # A sequence of three frames with stride 3 needs seven frames.
    assert "temporal_discriminator_3" not in train_step(context, state, random_clips(length=6))
    assert "temporal_discriminator_3" in train_step(context, state, random_clips(length=7))
    assert state.step == 3
    context, state = tiny_state(
        tiny_config(generator={"flow": False, "past_frames": 0}, temporal_discriminator={"frame_strides": ()})
    )
    assert set(train_step(context, state, random_clips())) == IMAGE


def test_image_discriminator_without_loss_weights_is_unused() -> None:
    losses = {"adversarial": 0.0, "feature_matching": 0.0}
    context, state = tiny_state(tiny_config(losses=losses))
    before = copy_weights(state.image_discriminator)
    assert set(train_step(context, state, random_clips())) & IMAGE == {"l1"}
    assert tensors_equal(before, copy_weights(state.image_discriminator))
    context, state = tiny_state(tiny_config(losses=losses, temporal_discriminator={"frame_strides": ()}))
    assert set(train_step(context, state, random_clips())) == MOTION | {"l1"}
    context, state = tiny_state(tiny_config(losses={"adversarial": 0.0}))
    assert set(train_step(context, state, random_clips())) >= IMAGE


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("frames_per_update", [1, 2, 3])
def test_train_step_accepts_any_clip_and_chunk_length(length: int, frames_per_update: int) -> None:
    context, state = tiny_state(tiny_config(schedule={"frames_per_update": frames_per_update}))
    terms = train_step(context, state, random_clips(length=length, batch_size=2))
    assert ("flow" in terms) is (length > 1)


def test_train_step_updates_once_per_chunk() -> None:
    context, state = tiny_state(tiny_config())
    train_step(context, state, random_clips(length=5))
    for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
        (num_updates,) = {float(entry["step"]) for entry in list(optimizer.state.values())[:1]}
        assert num_updates == 3  # frames 0-1, 2-3 and 4


@pytest.mark.parametrize("bptt_frames", [1, 3])
def test_gradients_flow_through_bptt_frames(bptt_frames: int) -> None:
    """The gradients differ if gradients do not flow back through all frames of the chunk."""
    config = tiny_config(schedule={"frames_per_update": 3, "bptt_frames": bptt_frames})
    context, state = tiny_state(config)
    train_step(context, state, random_clips(length=3))
    full_config = config.with_settings({"schedule.bptt_frames": 3})
    full_state = tiny_state(config)[1]
    train_step(TrainContext(full_config, CPU, context.flow_estimator), full_state, random_clips(length=3))
    assert tensors_equal(gradients(state.generator), gradients(full_state.generator)) is (bptt_frames == 3)


def test_learning_rates_follow_schedule() -> None:
    config = tiny_config(
        schedule={"lr_decay_start": 0, "lr_decay_steps": 4}, optimizer={"lr": 1e-3, "discriminator_lr": 4e-3}
    )
    context, state = tiny_state(config)
    for factor in (1.0, 0.75, 0.5, 0.25):
        train_step(context, state, random_clips())
        assert state.generator_optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * factor)
        assert state.discriminator_optimizer.param_groups[0]["lr"] == pytest.approx(4e-3 * factor)
    before = copy_weights(state.generator)
    train_step(context, state, random_clips())
    assert tensors_equal(before, copy_weights(state.generator))


def test_train_step_updates_ema() -> None:
    context, state = tiny_state(tiny_config(optimizer={"ema_decay": 0.25}))
    start = copy_weights(state.generator)
    train_step(context, state, random_clips())
    # The decay of the first step is (1 + 1) / (10 + 1), which is less than 0.25.
    for ema, before, after in zip(copy_weights(state.generator_ema), start, copy_weights(state.generator), strict=True):
        assert torch.allclose(ema, before + (after - before) * (1 - 2 / 11), atol=1e-7)


def numbered_frames(length: int) -> Tensor:
    """(2, length, 3, 4, 4): all values of clip b, frame i are 100 b + i."""
    numbers = 100 * torch.arange(2.0).view(2, 1) + torch.arange(float(length))
    return numbers.view(2, length, 1, 1, 1).expand(2, length, 3, 4, 4)


@pytest.mark.parametrize("stride", [1, 3])
def test_estimate_reference_flow_uses_stride(stride: int) -> None:
    """The stub returns its inputs: dx is the earlier frame, dy the later one."""

    def return_inputs(previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([previous[:, :1], current[:, :1]], 1), current[:, :1] + 0.5

    reference = estimate_reference_flow(return_inputs, numbered_frames(6), stride)
    for b in range(2):
        for i in range(6):
            if i < stride:
                assert reference.flow[b, i].abs().max() == 0
                assert reference.confidence[b, i].max() == 0
            else:
                assert reference.flow[b, i].flatten(1)[:, 0].tolist() == [100 * b + i - stride, 100 * b + i]
                assert reference.confidence[b, i].unique().item() == 100 * b + i + 0.5


def test_estimate_reference_flow_of_short_clip_is_zero() -> None:
    def raise_error(previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        raise AssertionError

    assert estimate_reference_flow(raise_error, numbered_frames(3), 3).flow.shape == (2, 3, 2, 4, 4)


def test_train_step_estimates_flow_at_each_stride() -> None:
    num_pairs = []

    class Spy(FlowEstimator):
        def __call__(self, previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
            num_pairs.append(len(previous))
            return previous[:, :2] * 0, previous[:, :1] * 0

    context, state = tiny_state(tiny_config())
    train_step(TrainContext(context.config, CPU, Spy()), state, random_clips(length=7))
    assert num_pairs == [6, 4]


@pytest.mark.parametrize("tensor_name", ["frames", "conditions"])
def test_non_finite_loss_raises_before_step_is_counted(tensor_name: str) -> None:
    context, state = tiny_state(tiny_config())
    train_step(context, state, random_clips())
    ema_weights = copy_weights(state.generator_ema)
    batch = random_clips()
    getattr(batch, tensor_name)[0, 1, 0, 3, 3] = float("nan")
    with pytest.raises(DivergenceError, match="2"):
        train_step(context, state, batch)
    assert state.step == 1
    assert tensors_equal(ema_weights, copy_weights(state.generator_ema))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize(
    "changes", [{}, {"flow": False}, {"past_frames": 0, "flow": False}, {"norm": "group"}, {"upsample": "transpose"}]
)
def test_train_step_supports_precisions_and_generators(precision: Any, changes: dict[str, Any]) -> None:
    config = tiny_config(generator=changes, losses={"gan_mode": "hinge"})
    context, state = tiny_state(config)
    context = TrainContext(config, Runtime(torch.device("cpu"), precision, True), context.flow_estimator)
    state.scale_gradients(context.runtime)
    terms = train_step(context, state, random_clips())
    assert all(value == value for value in terms.values())
    assert {weight.dtype for weight in copy_weights(state.generator)} == {torch.float32}


def overfit(config: Config, clip: ClipBatch, steps: int) -> tuple[float, float]:
    """Mean absolute difference between generated and real frames, before and after training."""
    context, state = tiny_state(config, clip.conditions.shape[2])
    differences = []
    for index in range(steps + 1):
        if index in (0, steps):
            images = torch.stack([output.image for output in generate_clip(state.generator, clip.conditions, CPU)], 1)
            differences.append(float((images - clip.frames).abs().mean()))
        train_step(context, state, clip)
    return differences[0], differences[1]


@pytest.mark.slow
def test_train_step_overfits_tiny_clip() -> None:
    config = tiny_config(generator={"base_channels": 8}, losses={"l1": 20.0}, optimizer={"lr": 4e-3})
    before, after = overfit(config, random_clips(length=4), 30)
    assert after < 0.35 * before


def test_train_step_learns_flow_of_moving_clip() -> None:
    """The flow losses of a clip with constant motion decrease."""
    ramp = torch.sin(torch.arange(40.0) / 2).view(1, 1, 1, 1, 40).expand(1, 1, 3, 24, 40)
    frames = torch.cat([ramp[..., 2 * i : 2 * i + 24] for i in range(4)], 1)
    config = tiny_config(optimizer={"lr": 1e-2}, losses={"l1": 5.0})
    context, state = tiny_state(config)
    clip = ClipBatch(frames[:, :, :1], frames)
    terms = [train_step(context, state, clip) for _ in range(40)]
    assert terms[-1]["flow"] < 0.5 * terms[0]["flow"]
    assert terms[-1]["flow_warp"] < 0.6 * terms[0]["flow_warp"]


def test_image_warmup_end_resets_optimizers_and_trains_past_encoder() -> None:
    """During the warm-up the past encoder is frozen."""
    context, state = tiny_state(tiny_config(schedule={"image_warmup_steps": 2}))
    past_encoder = state.generator.scale_networks[0].past_encoder
    before, update_counts = copy_weights(past_encoder), []
    for index in range(3):
        assert tensors_equal(copy_weights(past_encoder), before)
        train_step(context, state, random_clips(index, length=1 if index < 2 else 4))
        optimizer_states = state.generator_optimizer.state, state.discriminator_optimizer.state
        update_counts.append([max(int(entry["step"]) for entry in states.values()) for states in optimizer_states])
    assert not tensors_equal(copy_weights(past_encoder), before)
    num_updates = 4 // context.config.schedule.frames_per_update
    assert update_counts == [[1, 1], [2, 2], [num_updates, num_updates]]
