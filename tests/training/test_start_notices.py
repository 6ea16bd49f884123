"""The notices before a training."""

from __future__ import annotations

import pytest
from helpers.factories import tiny_config

from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training.start_notices import describe_unreachable_strides


@pytest.mark.parametrize(
    ("chosen_settings", "is_described"),
    [
        (None, True),
        (frozenset({"schedule.max_clip_length"}), True),
        (frozenset({"discriminators.temporal.frame_strides"}), True),
        (frozenset({"optimizer.lr"}), False),
        (frozenset(), False),
    ],
)
def test_unreachable_strides_of_a_preset_are_not_reported(
    chosen_settings: frozenset[str] | None, is_described: bool
) -> None:
    config = tiny_config(temporal_discriminator={"frame_strides": (1, 9)})
    request = TrainRequest(config, chosen_settings=chosen_settings)
    assert bool(describe_unreachable_strides(request, config, 4)) is is_described
