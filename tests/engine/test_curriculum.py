"""Settings that depend on the step."""

from __future__ import annotations

from typing import Any

import pytest

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.discriminators import TemporalConfig
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.config.schedule import ScheduleConfig
from vid2vid_cli.config.unused_settings import unused_settings
from vid2vid_cli.engine.curriculum import (
    batch_repeats,
    clip_length,
    ema_decay,
    lr_factor,
    training_phases,
    unreachable_strides,
)
from vid2vid_cli.engine.discriminator_inputs import temporal_window_ends

SCHEDULE = ScheduleConfig(
    clip_length=3, max_clip_length=20, clip_growth_interval=100, lr_decay_start=50, lr_decay_steps=200
)


@pytest.mark.parametrize(
    ("step", "max_length", "expected"),
    [(0, 99, 3), (99, 99, 3), (100, 99, 6), (200, 99, 12), (300, 99, 20), (10**9, 99, 20), (300, 7, 7), (0, 2, 2)],
)
def test_clip_length_doubles_up_to_limits(step: int, max_length: int, expected: int) -> None:
    assert clip_length(Config(schedule=SCHEDULE), step, max_length) == expected


def test_image_warmup_uses_single_frames() -> None:
    schedule = {
        "clip_length": 4,
        "max_clip_length": 8,
        "clip_growth_interval": 10,
        "frames_per_update": 2,
        "image_warmup_steps": 12,
    }
    config = Config(schedule=ScheduleConfig(**schedule))
    assert [clip_length(config, step, 99) for step in (0, 11, 12, 20)] == [1, 1, 8, 8]
    assert [batch_repeats(config, step) for step in (0, 11, 12, 20)] == [2, 2, 1, 1]


@pytest.mark.parametrize(
    "sections",
    [
        {"generator": GeneratorConfig(past_frames=0, flow=False)},
        {"schedule": ScheduleConfig(image_warmup_steps=12, initial_frames="real", clip_length=4)},
    ],
)
def test_image_warmup_is_ignored_if_it_has_no_meaning(sections: dict[str, Any]) -> None:
    """For a frame-wise model, and for clips that begin with real frames."""
    config = Config(**{"schedule": ScheduleConfig(image_warmup_steps=12, clip_length=4), **sections})
    assert config.effective_image_warmup == 0
    assert clip_length(config, 0, 99) == 4 + config.num_initial_frames
    assert batch_repeats(config, 0) == 1
    assert "schedule.image_warmup_steps" in unused_settings(config)


@pytest.mark.parametrize("max_length", [1, 2, 3, 6, 7, 18, 19, 40])
def test_unreachable_strides_have_no_window(max_length: int) -> None:
    temporal = TemporalConfig(frame_strides=(1, 3, 9), num_frames=3)
    without_window = [
        stride
        for stride in temporal.frame_strides
        if not temporal_window_ends("dense", stride=stride, num_frames=3, start=0, stop=max_length)
    ]
    assert unreachable_strides(temporal, max_length) == without_window


@pytest.mark.parametrize(("step", "factor"), [(0, 1.0), (50, 1.0), (100, 0.75), (150, 0.5), (250, 0.0), (999, 0.0)])
def test_lr_factor_decays_linearly(step: int, factor: float) -> None:
    assert lr_factor(SCHEDULE, step) == pytest.approx(factor)


def test_lr_factor_without_decay_is_one() -> None:
    assert lr_factor(ScheduleConfig(), 10**9) == 1.0


def test_ema_decay_is_smaller_at_first() -> None:
    assert ema_decay(0.999, 0) == pytest.approx(0.1)
    assert ema_decay(0.999, 8) == pytest.approx(0.5)
    assert ema_decay(0.999, 10**9) == 0.999
    assert ema_decay(0.0, 5) == 0.0


def test_training_phases_follow_the_clip_length() -> None:
    settings = {
        "schedule.image_warmup_steps": 5,
        "schedule.clip_length": 4,
        "schedule.max_clip_length": 10,
        "schedule.clip_growth_interval": 20,
        "schedule.lr_decay_start": 90,
    }
    config = Config().with_settings(settings)
    phases = training_phases(config, 100, None)
    assert [start for start, _ in phases] == [0, 5, 20, 40, 90]
    assert phases[2][1] == "clips of 8 frames"
    assert [start for start, _ in training_phases(config, 100, 40)] == [0, 5, 20]
    assert training_phases(Config().with_settings({"schedule.image_warmup_steps": 0}), 3, None) == [
        (0, "clips of 3 frames")
    ]
