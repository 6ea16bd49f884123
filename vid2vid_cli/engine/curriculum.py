"""How training changes with time: pure functions of the step, so that resuming needs no memory."""

from __future__ import annotations

from vid2vid_cli.config.config import Config, ScheduleConfig
from vid2vid_cli.config.discriminators import TemporalConfig


def clip_length(config: Config, step: int, longest: int) -> int:
    """Frames per clip at `step`: doubled every `grow_every` steps, up to `clip_max` and the data's `longest` run.

    Real frames that it begins with come on top. At first, for the steps of `stills`, it is one frame.
    """
    if step < config.stills:
        return 1
    schedule = config.schedule
    grown: int = schedule.clip << min(step // schedule.grow_every, 30)
    return max(1, min(config.given + min(grown, schedule.clip_max), longest))


def clips_in_place(config: Config, step: int) -> int:
    """How many clips stand for each of a batch at `step`: 1, or of single frames as many as one update takes."""
    return config.schedule.frames_per_update if step < config.stills else 1


def begins_motion(config: Config, step: int) -> bool:
    """Whether `step` is the first of clips after single frames.

    What Adam has seen until then says nothing of the gradients to come: with it, weights that had none are moved some
    fifteen times too far, and discriminators, whose fakes are suddenly others, hardly at all for long.
    """
    return 0 < step == config.stills


def idle_rates(temporal: TemporalConfig, longest: int) -> list[int]:
    """The frame rates whose groups fit into no clip of up to `longest` frames, so that nothing judges at them."""
    return [rate for rate in temporal.rates if rate * (temporal.frames - 1) + 1 > longest]


def rate_factor(schedule: ScheduleConfig, step: int) -> float:
    """What the learning rates are multiplied by at `step`: 1, then falling linearly."""
    if schedule.decay_from is None:
        return 1.0
    return max(0.0, 1.0 - max(0, step - schedule.decay_from) / schedule.decay_steps)


def average_decay(decay: float, step: int) -> float:
    """Decay of the moving average at `step`: short at first, so that the random start is soon forgotten."""
    return min(decay, (1.0 + step) / (10.0 + step))
