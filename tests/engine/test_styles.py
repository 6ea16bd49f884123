"""Styles in training: encoder updates, constant styles per object, and styles of a bank."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.factories import CPU, copy_weights, random_clips, tensors_equal, tiny_config

from vid2vid_cli.core.model_specs import ConditionSpec, StyleEncoderSpec
from vid2vid_cli.core.types import ClipBatch, ShapeError
from vid2vid_cli.engine.distributed import SINGLE_PROCESS, ProcessGroup
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.style_bank import ClassStyles, StyleAssigner, StyleBank, StyleChoice
from vid2vid_cli.engine.styles import apply_styles, encode_styles
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.networks.flow_estimator import DISFlow

SPEC = StyleEncoderSpec(feature_channels=3, base_channels=4, num_downsamples=1)


def style_model() -> tuple[TrainContext, TrainState]:
    """Networks with a style encoder, and the context of their training steps."""
    config = tiny_config()
    return TrainContext(config, CPU, DISFlow()), build_train_state(config, ConditionSpec(1, style_encoder=SPEC), CPU)


def clips_with_instances(**changes: Any) -> ClipBatch:
    """Random clips with four instances, one per quarter of the image."""
    batch = random_clips(**changes)
    quarter = torch.arange(24) // 12
    ids = (quarter[:, None] * 2 + quarter).expand(*batch.frames.shape[:2], 24, 24)
    return replace(batch, instances=ids.contiguous())


def test_train_step_updates_generator_encoder_and_ema() -> None:
    context, state = style_model()
    before = [copy.deepcopy(network.state_dict()) for network in (state.generator, state.generator_ema)]
    terms = train_step(context, state, clips_with_instances(batch_size=2))
    assert all(torch.isfinite(torch.tensor(list(terms.values()))))
    for network, weights_before in zip((state.generator, state.generator_ema), before, strict=True):
        changed = [name for name, value in network.state_dict().items() if not torch.equal(value, weights_before[name])]
        assert any(name.startswith("style_encoder.") for name in changed)
        assert any(name.startswith("scale_networks.") for name in changed)


def test_update_encoder_uses_gradients_of_all_chunks() -> None:
    """One encoder step equals a step on the sum of the chunks' losses; other weights are unchanged."""
    _, state = style_model()
    encoder = state.generator.style_encoder
    assert encoder is not None
    batch = clips_with_instances()
    twin = copy.deepcopy(state.generator)
    assert twin.style_encoder is not None
    styled = encode_styles(state.generator, batch, state.generator_scaler)
    assert styled.conditions.shape[2] == 1 + 3
    weights = torch.rand_like(styled.conditions)
    for frames in (slice(0, 2), slice(2, 4)):
        (styled.conditions[:, frames] * weights[:, frames]).sum().backward(retain_graph=True)
    scale_weights = copy_weights(state.generator.get_submodule("scale_networks"))
    styled.update_encoder(
        torch.optim.SGD(state.generator.parameters(), lr=1.0), SINGLE_PROCESS, scaler=state.generator_scaler
    )
    twin_styled = encode_styles(twin, batch, state.generator_scaler)
    assert twin_styled.styles is not None
    (twin_styled.styles * weights[:, :, 1:]).sum().backward()
    for updated, original in zip(encoder.parameters(), twin.style_encoder.parameters(), strict=True):
        assert original.grad is not None
        torch.testing.assert_close(updated, original - original.grad)
    assert tensors_equal(scale_weights, copy_weights(state.generator.get_submodule("scale_networks")))


class HalvingProcessGroup(ProcessGroup):
    """Averages gradients with a second process whose gradients are zero."""

    def all_reduce_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.grad /= 2


def test_update_encoder_averages_gradients_over_processes() -> None:
    changes = []
    for process_group in (SINGLE_PROCESS, HalvingProcessGroup()):
        _, state = style_model()
        encoder = state.generator.style_encoder
        assert encoder is not None
        before = copy_weights(encoder)
        styled = encode_styles(state.generator, clips_with_instances(), state.generator_scaler)
        styled.conditions.square().sum().backward()
        styled.update_encoder(
            torch.optim.SGD(encoder.parameters(), lr=1.0), process_group, scaler=state.generator_scaler
        )
        changes.append([new - old for new, old in zip(encoder.parameters(), before, strict=True)])
    for full, halved in zip(*changes, strict=True):
        torch.testing.assert_close(halved * 2, full)


def test_encoded_styles_are_constant_per_object_and_clip() -> None:
    _, state = style_model()
    styles = encode_styles(state.generator, clips_with_instances(batch_size=2), state.generator_scaler).conditions[
        :, :, 1:
    ]
    corners = styles[:, :1, :, ::12, ::12]
    expected = corners.expand(-1, 4, -1, -1, -1).repeat_interleave(12, 3).repeat_interleave(12, 4)
    torch.testing.assert_close(styles, expected)
    assert len(corners.flatten(3).movedim(2, -1).reshape(-1, 3).unique(dim=0)) == 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8])
def test_apply_styles_adds_bank_styles_to_any_condition_dtype(dtype: torch.dtype) -> None:
    vectors = np.array([[0.25, -0.5, 0.75]])
    bank = StyleBank(
        feature_channels=3,
        base_channels=4,
        num_downsamples=1,
        thing_class_ids=(),
        classes=(ClassStyles.from_features(0, "image", vectors, 1),),
        example_annotations=(),
    )
    batch = clips_with_instances()
    _, state = style_model()
    batch = replace(batch, conditions=batch.conditions.round().to(dtype))
    conditions = apply_styles(batch, StyleAssigner(bank, StyleChoice()))
    torch.testing.assert_close(conditions[:, :, :1], batch.conditions.float())
    expected = torch.from_numpy(vectors[0]).float().view(3, 1, 1).expand(1, 4, 3, 24, 24)
    torch.testing.assert_close(conditions[:, :, 1:], expected)
    assert encode_styles(state.generator, batch, state.generator_scaler).conditions.is_floating_point()


def test_encode_styles_without_encoder_returns_conditions() -> None:
    state = build_train_state(tiny_config(), ConditionSpec(1), CPU)
    batch = random_clips()
    styled = encode_styles(state.generator, batch, state.generator_scaler)
    assert styled.conditions is batch.conditions
    styled.update_encoder(state.generator_optimizer, SINGLE_PROCESS, scaler=state.generator_scaler)


def test_encode_styles_rejects_batch_without_instances() -> None:
    _, state = style_model()
    with pytest.raises(ShapeError, match="instances"):
        encode_styles(state.generator, random_clips(), state.generator_scaler)
