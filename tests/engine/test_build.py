"""From settings to networks: every setting arrives, every preset builds, and the seed decides."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import CPU, same, tiny_config, weights_of

from vid2vid_cli.config.presets import preset_names
from vid2vid_cli.config.resolve import load_layers
from vid2vid_cli.core.types import ConditionLayout
from vid2vid_cli.engine.build import build_generator, build_state, parameter_count
from vid2vid_cli.ops.resample import halve


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_builds(preset: str) -> None:
    """And draws a picture of its size, on no device at all."""
    config = load_layers(preset, None, [], {}).config
    height, width = config.data.picture(1080, 1920, (600, 100, 1200, 900))
    with torch.device("meta"):
        generator = build_generator(config.generator, ConditionLayout(9))
        past = [torch.empty(1, generator.past, 3, height, width)]
        for _ in range(1, config.generator.scales):
            past.append(halve(past[-1][0])[None])
        frame = generator(torch.empty(1, generator.window, 9, height, width), past)
    assert frame.image.shape == (1, 3, height, width)
    assert parameter_count(generator) > 10_000


@pytest.mark.parametrize(
    "changes",
    [
        {"past": 1},
        {"past": 0, "flow": False},
        {"flow": False},
        {"width": 6},
        {"downsamples": 2},
        {"blocks": 3},
        {"kernel": 5},
    ],
)
def test_every_setting_of_the_generator_arrives(changes: dict[str, object]) -> None:
    plain = parameter_count(build_generator(tiny_config().generator, ConditionLayout(2)))
    assert parameter_count(build_generator(tiny_config(generator=changes).generator, ConditionLayout(2))) != plain


def test_the_last_settings_arrive_as_structure() -> None:
    made = {
        name: str(build_generator(tiny_config(generator=changes).generator, ConditionLayout(2)))
        for name, changes in {"plain": {}, "group": {"norm": "group"}, "transpose": {"upsample": "transpose"}}.items()
    }
    assert "ConvTranspose2d" in made["transpose"]
    assert "ConvTranspose2d" not in made["plain"]
    assert made["group"] != made["plain"]
    assert build_generator(tiny_config(generator={"flow_unit": 7.0}).generator, ConditionLayout(2)).flow_unit == 7


def test_a_state_has_a_judge_per_rate_and_both_optimisers() -> None:
    config = tiny_config(temporal={"rates": (1, 2, 5), "frames": 2}, optimizer={"rate": 1e-3, "beta1": 0.1})
    state = build_state(config, ConditionLayout(7), CPU)
    assert list(state.temporal) == ["1", "2", "5"]
    assert state.temporal["2"].copies["24"].stages[0][0].in_channels == 3 * 2 + 2
    assert state.discriminator.copies["24"].stages[0][0].in_channels == 7 + 3
    judged = parameter_count(state.discriminator) + parameter_count(state.temporal)
    assert sum(p.numel() for p in state.discriminator_optimizer.param_groups[0]["params"]) == judged
    learned = state.generator_optimizer.param_groups[0]
    assert sum(p.numel() for p in learned["params"]) == parameter_count(state.generator)
    assert (learned["lr"], learned["betas"]) == (1e-3, (0.1, 0.999))
    assert not list(build_state(tiny_config(temporal={"rates": ()}), ConditionLayout(1), CPU).temporal)


def test_the_seed_decides_and_leaves_the_rest_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = build_state(tiny_config(), ConditionLayout(2), CPU)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(6)
    again, other = (
        build_state(tiny_config(), ConditionLayout(2), CPU),
        build_state(tiny_config(engine={"seed": 1}), ConditionLayout(2), CPU),
    )
    for name in ("generator", "discriminator", "temporal", "average"):
        assert same(weights_of(getattr(first, name)), weights_of(getattr(again, name)))
        assert not same(weights_of(getattr(first, name)), weights_of(getattr(other, name)))
    assert same(weights_of(first.average), weights_of(first.generator))
