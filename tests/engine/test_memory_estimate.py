"""Memory estimates: values computed by hand, and comparisons."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import tiny_config

from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.engine.memory_estimate import LiveMemoryCounter, estimate_model_size

CONDITION_SPEC = ConditionSpec(2)


def test_live_memory_counter_counts_each_storage_once() -> None:
    with LiveMemoryCounter() as memory:
        first = torch.zeros(1000)
        second = first + 1
        assert memory.current == 8000
        view = second.view(10, 100)
        del second
        assert memory.current == 8000
        del view
        assert (memory.current, memory.peak) == (4000, 8000)


def test_live_memory_counter_includes_saved_activations() -> None:
    with LiveMemoryCounter() as memory:
        x = torch.zeros(1000, requires_grad=True)
        y = x.exp().exp()
        before_backward = memory.current
        y.sum().backward()
        del y
    assert before_backward == 3 * 4000
    assert memory.current == 2 * 4000  # x and its gradient


def test_estimate_model_size_is_consistent_with_parameter_counts() -> None:
    size = estimate_model_size(tiny_config(runtime={"precision": "fp32"}), CONDITION_SPEC, 24, 24)
    assert size.parameter_counts.keys() == {"generator, scale 0", "image_discriminator", "temporal_discriminators"}
    generator_bytes = 4 * size.parameter_counts["generator, scale 0"]
    discriminator_counts = (
        size.parameter_counts["image_discriminator"] + size.parameter_counts["temporal_discriminators"]
    )
    # Weights, gradients and Adam's two moments; for the generator the EMA too.
    assert size.training_bytes > 5 * generator_bytes + 4 * 4 * discriminator_counts
    assert generator_bytes < size.synthesis_bytes < size.training_bytes


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ({"runtime": {"gradient_checkpointing": True}}, {}),
        ({"runtime": {"precision": "bf16"}}, {}),
        ({}, {"schedule": {"batch_size": 2}}),
        ({}, {"schedule": {"frames_per_update": 4}}),
        ({}, {"generator": {"base_channels": 16}}),
    ],
)
def test_estimate_model_size_orders_configurations(
    smaller: dict[str, dict[str, object]], larger: dict[str, dict[str, object]]
) -> None:
    base = {"data": {"height": 64}, "generator": {"base_channels": 8}}
    small_size, large_size = (
        estimate_model_size(tiny_config(**{**base, **sections}), CONDITION_SPEC, 64, 64)
        for sections in (smaller, larger)
    )
    assert small_size.training_bytes < large_size.training_bytes
