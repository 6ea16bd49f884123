"""What changes with the step, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from vid2vid_cli.config.config import Config, ScheduleConfig
from vid2vid_cli.config.discriminators import TemporalConfig
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.config.model_variants import unused
from vid2vid_cli.engine.curriculum import average_decay, clip_length, clips_in_place, idle_rates, rate_factor
from vid2vid_cli.engine.training_losses import group_ends

SCHEDULE = ScheduleConfig(clip=3, clip_max=20, grow_every=100, decay_from=50, decay_steps=200)


@pytest.mark.parametrize(
    ("step", "longest", "length"),
    [(0, 99, 3), (99, 99, 3), (100, 99, 6), (200, 99, 12), (300, 99, 20), (10**9, 99, 20), (300, 7, 7), (0, 2, 2)],
)
def test_clips_double_up_to_what_is_wanted_and_there(step: int, longest: int, length: int) -> None:
    assert clip_length(Config(schedule=SCHEDULE), step, longest) == length


def test_single_frames_come_first_as_many_as_an_update_takes() -> None:
    schedule = {"clip": 4, "clip_max": 8, "grow_every": 10, "frames_per_update": 2, "stills": 12}
    config = Config(schedule=ScheduleConfig(**schedule))
    assert [clip_length(config, step, 99) for step in (0, 11, 12, 20)] == [1, 1, 8, 8]
    assert [clips_in_place(config, step) for step in (0, 11, 12, 20)] == [2, 2, 1, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"generator": GeneratorConfig(past=0, flow=False)},
        {"schedule": ScheduleConfig(stills=12, first="real", clip=4)},
    ],
)
def test_no_single_frames_for_those_who_see_nothing_else_or_always_more(other: dict[str, Any]) -> None:
    config = Config(**{"schedule": ScheduleConfig(stills=12, clip=4), **other})
    assert config.stills == 0
    assert clip_length(config, 0, 99) == 4 + config.given
    assert clips_in_place(config, 0) == 1
    assert "schedule.stills" in unused(config)


@pytest.mark.parametrize("longest", [1, 2, 3, 6, 7, 18, 19, 40])
def test_a_rate_is_idle_where_none_of_its_groups_fits(longest: int) -> None:
    temporal = TemporalConfig(rates=(1, 3, 9), frames=3)
    busy = [rate for rate in temporal.rates if group_ends("every", rate, 3, 0, longest)]
    assert idle_rates(temporal, longest) == [rate for rate in temporal.rates if rate not in busy]


@pytest.mark.parametrize(("step", "factor"), [(0, 1.0), (50, 1.0), (100, 0.75), (150, 0.5), (250, 0.0), (999, 0.0)])
def test_rates_fall_linearly(step: int, factor: float) -> None:
    assert rate_factor(SCHEDULE, step) == pytest.approx(factor)


def test_rates_stay_where_no_decay_is_wanted() -> None:
    assert rate_factor(ScheduleConfig(), 10**9) == 1.0


def test_the_average_is_short_at_first() -> None:
    assert average_decay(0.999, 0) == pytest.approx(0.1)
    assert average_decay(0.999, 8) == pytest.approx(0.5)
    assert average_decay(0.999, 10**9) == 0.999
    assert average_decay(0.0, 5) == 0.0
