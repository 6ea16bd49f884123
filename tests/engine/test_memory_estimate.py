"""Counting without a device: by hand where that is possible, and by what must hold."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import tiny_config

from vid2vid_cli.core.types import ConditionLayout
from vid2vid_cli.engine.memory_estimate import LiveBytes, footprint

LAYOUT = ConditionLayout(2)


def test_what_is_alive_is_counted_once_and_until_it_is_gone() -> None:
    with LiveBytes() as live:
        first = torch.zeros(1000)
        second = first + 1
        assert live.now == 8000
        third = second.view(10, 100)
        del second
        assert live.now == 8000
        del third
        assert (live.now, live.peak) == (4000, 8000)


def test_what_backward_needs_is_kept_until_then() -> None:
    with LiveBytes() as live:
        x = torch.zeros(1000, requires_grad=True)
        y = x.exp().exp()
        held = live.now
        y.sum().backward()
        del y
    assert held == 3 * 4000
    assert live.now == 2 * 4000  # x and its gradient


def test_a_model_is_counted_as_it_is_built_and_updated() -> None:
    config = tiny_config(engine={"precision": "fp32"})
    found = footprint(config, LAYOUT, 24, 24)
    assert found.parameters.keys() == {"generator, scale 0", "discriminator", "temporal"}
    generator = 4 * found.parameters["generator, scale 0"]
    judges = 4 * (found.parameters["discriminator"] + found.parameters["temporal"])
    # Weights, gradients and Adam's two means; of the generator also the average.
    assert found.training > 5 * generator + 4 * judges
    assert generator < found.synthesis < found.training


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"engine": {"recompute": True}}, {}),
        ({"engine": {"precision": "bf16"}}, {}),
        ({}, {"schedule": {"batch": 2}}),
        ({}, {"schedule": {"frames_per_update": 4}}),
        ({}, {"generator": {"width": 16}}),
    ],
)
def test_what_takes_less_is_counted_as_less(
    less: dict[str, dict[str, object]], more: dict[str, dict[str, object]]
) -> None:
    small, large = (
        footprint(tiny_config(**{"data": {"size": 64}, "generator": {"width": 8}, **sections}), LAYOUT, 64, 64)
        for sections in (less, more)
    )
    assert small.training < large.training
