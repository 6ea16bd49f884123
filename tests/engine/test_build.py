"""Networks built from the configuration: presets, settings and seed."""

from __future__ import annotations

import pytest
import torch
from helpers.factories import CPU, copy_weights, tensors_equal, tiny_config

from vid2vid_cli.config.presets import preset_names
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.engine.build import build_generator, count_parameters
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.ops.resample import downsample2x


@pytest.mark.parametrize(
    "preset", [name for name in preset_names() if not name.startswith("savp")]
)  # no SequentialGenerator
def test_build_generator_for_every_preset(preset: str) -> None:
    """The output has the preset's size; the networks are on the meta device."""
    config = resolve_config(preset, None, [], {}).config
    height, width = config.data.output_size(1080, 1920, (600, 100, 1200, 900))
    with torch.device("meta"):
        generator = build_generator(config.generator, ConditionSpec(9))
        past = [torch.empty(1, generator.past_frames, 3, height, width)]
        for _ in range(1, config.generator.num_scales):
            past.append(downsample2x(past[-1][0])[None])
        frame = generator(torch.empty(1, generator.window_size, 9, height, width), past)
    assert frame.image.shape == (1, 3, height, width)
    assert count_parameters(generator) > 10_000


@pytest.mark.parametrize(
    "changes",
    [
        {"past_frames": 1},
        {"past_frames": 0, "flow": False},
        {"flow": False},
        {"base_channels": 6},
        {"num_downsamples": 2},
        {"num_res_blocks": 3},
        {"kernel_size": 5},
    ],
)
def test_build_generator_uses_size_settings(changes: dict[str, object]) -> None:
    default_count = count_parameters(build_generator(tiny_config().generator, ConditionSpec(2)))
    assert (
        count_parameters(build_generator(tiny_config(generator=changes).generator, ConditionSpec(2))) != default_count
    )


def test_build_generator_uses_norm_upsample_and_flow_multiplier() -> None:
    descriptions = {
        name: str(build_generator(tiny_config(generator=changes).generator, ConditionSpec(2)))
        for name, changes in {"default": {}, "group": {"norm": "group"}, "transpose": {"upsample": "transpose"}}.items()
    }
    assert "ConvTranspose2d" in descriptions["transpose"]
    assert "ConvTranspose2d" not in descriptions["default"]
    assert descriptions["group"] != descriptions["default"]
    assert (
        build_generator(tiny_config(generator={"flow_multiplier": 7.0}).generator, ConditionSpec(2)).flow_multiplier
        == 7
    )


def test_build_train_state_creates_discriminators_and_optimizers() -> None:
    config = tiny_config(
        temporal_discriminator={"frame_strides": (1, 2, 5), "num_frames": 2}, optimizer={"lr": 1e-3, "beta1": 0.1}
    )
    state = build_train_state(config, ConditionSpec(7), CPU)
    assert list(state.temporal_discriminators) == ["1", "2", "5"]
    assert state.temporal_discriminators["2"].discriminators["24"].stages[0][0].in_channels == 3 * 2 + 2
    assert state.image_discriminator.discriminators["24"].stages[0][0].in_channels == 7 + 3
    num_discriminator_parameters = count_parameters(state.image_discriminator) + count_parameters(
        state.temporal_discriminators
    )
    assert (
        sum(p.numel() for p in state.discriminator_optimizer.param_groups[0]["params"]) == num_discriminator_parameters
    )
    param_group = state.generator_optimizer.param_groups[0]
    assert sum(p.numel() for p in param_group["params"]) == count_parameters(state.generator)
    assert (param_group["lr"], param_group["betas"]) == (1e-3, (0.1, 0.999))
    assert not list(
        build_train_state(
            tiny_config(temporal_discriminator={"frame_strides": ()}), ConditionSpec(1), CPU
        ).temporal_discriminators
    )


def test_build_train_state_depends_on_seed_only() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = build_train_state(tiny_config(), ConditionSpec(2), CPU)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(6)
    same_seed = build_train_state(tiny_config(), ConditionSpec(2), CPU)
    other_seed = build_train_state(tiny_config(runtime={"seed": 1}), ConditionSpec(2), CPU)
    for name in ("generator", "image_discriminator", "temporal_discriminators", "generator_ema"):
        assert tensors_equal(copy_weights(getattr(first, name)), copy_weights(getattr(same_seed, name)))
        assert not tensors_equal(copy_weights(getattr(first, name)), copy_weights(getattr(other_seed, name)))
    assert tensors_equal(copy_weights(first.generator_ema), copy_weights(first.generator))
