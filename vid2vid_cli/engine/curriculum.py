"""Settings that change during training: pure functions of the step, so that nothing has to be stored for a resume."""

from __future__ import annotations

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.discriminators import TemporalConfig
from vid2vid_cli.config.schedule import ScheduleConfig


def clip_length(config: Config, step: int, max_length: int) -> int:
    """Frames per clip at `step`.

    One frame during the image warm-up; then `schedule.clip_length`, doubled every `clip_growth_interval` steps up to
    `max_clip_length`. Real initial frames are added. `max_length`: length of the longest clip in the dataset.
    """
    if step < config.effective_image_warmup:
        return 1
    schedule = config.schedule
    doubled_length: int = schedule.clip_length << min(step // schedule.clip_growth_interval, 30)
    return max(1, min(config.num_initial_frames + min(doubled_length, schedule.max_clip_length), max_length))


def training_phases(config: Config, max_length: int, max_steps: int | None) -> list[tuple[int, str]]:
    """(first step, description) of the phases of a training, in order. `max_length`: see `clip_length`."""
    schedule, warmup = config.schedule, config.effective_image_warmup
    interval = schedule.clip_growth_interval
    starts = {0, warmup, *range(interval, 32 * interval, interval)}
    phases: list[tuple[int, str]] = []
    length = 0
    for start in sorted(starts):
        previous, length = length, clip_length(config, start, max_length)
        is_warmup = start < warmup
        if length != previous or start == warmup:
            text = "single frames (image warm-up)" if is_warmup else f"clips of {length} frames"
            phases.append((start, text.replace("clips of 1 frames", "single frames")))
    if schedule.freeze_coarse_steps:
        phases.append((schedule.freeze_coarse_steps, "all scales are trained, before that the finest alone"))
    if schedule.lr_decay_start is not None:
        phases.append((schedule.lr_decay_start, f"learning rates decay to 0 within {schedule.lr_decay_steps} steps"))
    return sorted(phase for phase in phases if max_steps is None or phase[0] < max_steps)


def batch_repeats(config: Config, step: int) -> int:
    """Clips per batch entry at `step`: 1; during the image warm-up `frames_per_update` single frames."""
    return config.schedule.frames_per_update if step < config.effective_image_warmup else 1


def is_warmup_end(config: Config, step: int) -> bool:
    """Whether `step` is the first step after the image warm-up; the optimisers are reset there.

    Adam's second moments of the warm-up do not fit the gradients of video clips: weights that had no gradients would
    get steps about fifteen times too large, and discriminators steps that are too small for a long time.
    """
    return 0 < step == config.effective_image_warmup


def unreachable_strides(temporal: TemporalConfig, max_length: int) -> list[int]:
    """The frame strides whose sequences are longer than `max_length`, so that their discriminators are unused."""
    return [stride for stride in temporal.frame_strides if stride * (temporal.num_frames - 1) + 1 > max_length]


def lr_factor(schedule: ScheduleConfig, step: int) -> float:
    """Factor on the learning rates at `step`: 1, then linear decay to 0."""
    if schedule.lr_decay_start is None:
        return 1.0
    return max(0.0, 1.0 - max(0, step - schedule.lr_decay_start) / schedule.lr_decay_steps)


def ema_decay(decay: float, step: int) -> float:
    """Decay of the EMA at `step`: smaller at first, which removes the random initial weights quickly."""
    return min(decay, (1.0 + step) / (10.0 + step))
