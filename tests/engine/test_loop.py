"""The training loop: stop conditions, waiting times, and bit-exact resume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.factories import CPU, random_clips, tiny_config, tiny_sampler, tiny_state

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.augmentation import ClipAugmentation
from vid2vid_cli.engine import loop
from vid2vid_cli.engine.curriculum import clip_length
from vid2vid_cli.engine.events import Event, EventHandler, InfoEvent, StepEvent, ignore_events
from vid2vid_cli.engine.loop import StopCondition, train_loop
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import load_train_state, save_train_state

AUGMENTATION = ClipAugmentation(
    max_translate=0.1,
    max_zoom=0.1,
    crop_size=(24, 24),
    random_resize=(1, 1.5),
    max_frame_stride=2,
    hflip_prob=0.5,
)


def flatten_state(saved: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested state with its path."""
    if isinstance(saved, dict):
        for key, inner in saved.items():
            yield from flatten_state(inner, f"{name}.{key}")
    elif isinstance(saved, (list, tuple)):
        for index, inner in enumerate(saved):
            yield from flatten_state(inner, f"{name}[{index}]")
    else:
        yield name, saved


def differing_names(first: TrainState, second: TrainState) -> list[str]:
    """Paths of the values that differ between two states in any bit."""
    a, b = (dict(flatten_state(state.state_dict())) for state in (first, second))

    def is_equal(x: Any, y: Any) -> bool:
        return torch.equal(x, y) if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor) else bool(x == y)

    return [name for name in a.keys() | b.keys() if not is_equal(a.get(name), b.get(name))]


def train_until(
    config: Config, state: TrainState, dataset: Path, max_steps: int, emit: EventHandler = ignore_events
) -> None:
    """Train up to a step with a new sampler that uses every augmentation."""
    sampler = tiny_sampler(dataset, augmentation=AUGMENTATION, batch_size=1)
    batches = sampler.iter_batches(state.step, lambda step: clip_length(config, step, sampler.max_range_length))
    train_loop(
        tiny_state(config)[0],
        state,
        batches,
        StopCondition(max_steps, None),
        previous_seconds=0.0,
        emit=emit,
        after_step=lambda _: True,
    )


@pytest.mark.slow
def test_resumed_training_equals_uninterrupted_training(dataset: Path, tmp_path: Path) -> None:
    """Bit for bit, although the interruption is within curriculum, lr decay and EMA warm-up."""
    config = tiny_config(
        schedule={
            "max_steps": 20,
            "clip_length": 2,
            "max_clip_length": 4,
            "clip_growth_interval": 6,
            "lr_decay_start": 5,
            "lr_decay_steps": 30,
        }
    )
    uninterrupted = tiny_state(config)[1]
    events: list[Event] = []
    train_until(config, uninterrupted, dataset, 20, events.append)
    first_half = tiny_state(config)[1]
    train_until(config, first_half, dataset, 10)
    checkpoint_folder = save_train_state(tmp_path, first_half, {"elapsed_seconds": 1.5})
    resumed = tiny_state(tiny_config(runtime={"seed": 99}))[1]
    assert differing_names(resumed, first_half)
    assert load_train_state(checkpoint_folder, resumed, CPU) == {"elapsed_seconds": 1.5}
    assert differing_names(resumed, first_half) == []
    resumed_events: list[Event] = []
    train_until(config, resumed, dataset, 20, resumed_events.append)
    assert differing_names(resumed, uninterrupted) == []
    losses, resumed_losses = (
        [event.losses for event in event_list if isinstance(event, StepEvent)]
        for event_list in (events, resumed_events)
    )
    assert len(losses) == 20
    assert losses[10:] == resumed_losses


def endless_clips() -> Iterator[ClipBatch]:
    while True:
        yield random_clips(length=2, size=16)


@dataclass
class ShortTraining:
    """A training on random clips, and its events."""

    stop_condition: StopCondition
    previous_seconds: float = 0.0
    stop_after: int | None = None
    """Number of steps after which `after_step` returns False."""
    events: list[Event] = field(default_factory=list)
    elapsed_seconds: float = 0.0
    step: int = 0

    def run(self) -> ShortTraining:
        context, state = tiny_state(tiny_config(temporal_discriminator={"frame_strides": ()}))
        self.elapsed_seconds = train_loop(
            context,
            state,
            endless_clips(),
            self.stop_condition,
            previous_seconds=self.previous_seconds,
            emit=self.events.append,
            after_step=lambda _: state.step != self.stop_after,
        )
        self.step = state.step
        return self

    @property
    def step_events(self) -> list[StepEvent]:
        return [event for event in self.events if isinstance(event, StepEvent)]


def test_train_loop_stops_at_max_steps() -> None:
    training = ShortTraining(StopCondition(3, None)).run()
    assert [event.step for event in training.step_events] == [1, 2, 3]
    assert {event.max_steps for event in training.step_events} == {3}
    assert ShortTraining(StopCondition(0, None)).run().step_events == []


def test_train_loop_time_limit_includes_previous_seconds() -> None:
    training = ShortTraining(StopCondition(None, 100.2), previous_seconds=100.0).run()
    assert training.step >= 1
    assert training.elapsed_seconds >= 100.2
    times = [event.elapsed_seconds for event in training.step_events]
    assert times == sorted(times)
    assert all(time > 100 for time in times)
    assert {event.max_seconds for event in training.step_events} == {100.2}
    assert ShortTraining(StopCondition(None, 50.0), previous_seconds=60.0).run().step_events == []


def test_stop_condition_is_reached_by_first_limit() -> None:
    assert StopCondition(5, 10.0).is_reached(5, 0.0)
    assert StopCondition(5, 10.0).is_reached(0, 10.0)
    assert not StopCondition(5, 10.0).is_reached(4, 9.9)
    assert not StopCondition(None, None).is_reached(10**9, 1e9)


def test_train_loop_stops_if_after_step_returns_false() -> None:
    assert ShortTraining(StopCondition(9, None), stop_after=2).run().step == 2


@pytest.mark.parametrize("num_batches", [1, 2])
def test_train_loop_stops_at_end_of_batches(num_batches: int) -> None:
    context, state = tiny_state(tiny_config(temporal_discriminator={"frame_strides": ()}))
    train_loop(
        context,
        state,
        [random_clips(length=2, size=16)] * num_batches,
        StopCondition(9, None),
        previous_seconds=0.0,
        emit=ignore_events,
        after_step=lambda _: True,
    )
    assert state.step == num_batches


@pytest.mark.parametrize(("load_seconds", "has_notice"), [(1.0, True), (0.3, False)])
def test_train_loop_measures_data_wait(load_seconds: float, has_notice: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a simulated clock: a step takes 3 seconds. Waiting for the first batch is not counted."""
    now = [0.0]
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def simulate_step(*_: Any) -> dict[str, float]:
        now[0] += 3
        return {}

    def slow_clips() -> Iterator[ClipBatch]:
        for _ in range(4):
            now[0] += load_seconds
            yield random_clips(length=2, size=16)

    monkeypatch.setattr(loop, "train_step", simulate_step)
    context, state = tiny_state(tiny_config(temporal_discriminator={"frame_strides": ()}))
    events: list[Event] = []
    train_loop(
        context,
        state,
        slow_clips(),
        StopCondition(9, None),
        previous_seconds=50,
        emit=events.append,
        after_step=lambda _: True,
    )
    step_events = [event for event in events if isinstance(event, StepEvent)]
    assert [event.data_wait_seconds for event in step_events] == pytest.approx([load_seconds * n for n in range(4)])
    assert [event.elapsed_seconds for event in step_events] == pytest.approx(
        [50 + (3 + load_seconds) * n for n in range(1, 5)]
    )
    notices = [event.message for event in events if isinstance(event, InfoEvent)]
    assert bool(notices) is has_notice
    assert all("19%" in notice and "data.num_workers" in notice for notice in notices)
