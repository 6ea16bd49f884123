"""The loop: when it ends, and that 10 + 10 steps are 20, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.factories import CPU, some_clips, tiny_config, tiny_sampler, tiny_state

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.augmentation import Variation
from vid2vid_cli.engine import loop
from vid2vid_cli.engine.checkpoint import load_state, save_state
from vid2vid_cli.engine.curriculum import clip_length
from vid2vid_cli.engine.events import Event, Noticed, Stepped, silent
from vid2vid_cli.engine.loop import Until, train_loop
from vid2vid_cli.engine.state import TrainState


def flat(saved: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every number of a state with its way."""
    if isinstance(saved, dict):
        for key, inner in saved.items():
            yield from flat(inner, f"{name}.{key}")
    elif isinstance(saved, (list, tuple)):
        for index, inner in enumerate(saved):
            yield from flat(inner, f"{name}[{index}]")
    else:
        yield name, saved


def differing(first: TrainState, second: TrainState) -> list[str]:
    """Names of what is not the same in two states, bit for bit."""
    a, b = (dict(flat(state.state_dict())) for state in (first, second))

    def equal(one: Any, other: Any) -> bool:
        both = isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)
        return torch.equal(one, other) if both else one == other

    return [name for name in a.keys() | b.keys() if not equal(a.get(name), b.get(name))]


def steps(config: Config, state: TrainState, folder: Path, until: int, told: list[Event] | None = None) -> None:
    """Train on to step `until` with a sampler of its own, which varies all there is."""
    sampler = tiny_sampler(folder, vary=Variation(0.1, 0.1, (24, 24), (1, 1.5), 2, 0.5), batch=1)
    trainer = tiny_state(config)[0]

    def length(step: int) -> int:
        return clip_length(config, step, sampler.longest)

    batches = sampler.stream(state.step, length)
    tell = told.append if told is not None else silent
    train_loop(trainer, state, batches, Until(until, None), before=0.0, tell=tell, after_step=lambda seconds: True)


def test_ten_and_ten_are_twenty(dataset: Path, tmp_path: Path) -> None:
    """Curriculum, decay, average and optimisers all pass through the middle of a change."""
    config = tiny_config(
        schedule={"steps": 20, "clip": 2, "clip_max": 4, "grow_every": 6, "decay_from": 5, "decay_steps": 30}
    )
    whole = tiny_state(config)[1]
    told: list[Event] = []
    steps(config, whole, dataset, 20, told)
    half = tiny_state(config)[1]
    steps(config, half, dataset, 10)
    place = save_state(tmp_path, half, {"seconds": 1.5})
    rest = tiny_state(tiny_config(engine={"seed": 99}))[1]
    assert differing(rest, half)
    assert load_state(place, rest, CPU) == {"seconds": 1.5}
    assert differing(rest, half) == []
    told_again: list[Event] = []
    steps(config, rest, dataset, 20, told_again)
    assert differing(rest, whole) == []
    losses, again = ([e.losses for e in events if isinstance(e, Stepped)] for events in (told, told_again))
    assert len(losses) == 20
    assert losses[10:] == again


def endless() -> Iterator[ClipBatch]:
    while True:
        yield some_clips(length=2, size=16)


@dataclass
class Recorded:
    """A short training, and what was said."""

    until: Until
    before: float = 0.0
    stop_after: int | None = None
    events: list[Stepped] = field(default_factory=list)
    seconds: float = 0.0
    step: int = 0

    def run(self) -> Recorded:
        trainer, state = tiny_state(tiny_config(temporal={"rates": ()}))
        after = lambda seconds: len(self.events) != self.stop_after  # noqa: E731
        tell = partial(list.append, self.events)
        self.seconds = train_loop(
            trainer, state, endless(), self.until, before=self.before, tell=tell, after_step=after
        )
        self.step = state.step
        return self


def test_it_ends_at_the_step() -> None:
    done = Recorded(Until(3, None)).run()
    assert [event.step for event in done.events] == [1, 2, 3]
    assert {event.steps for event in done.events} == {3}
    assert Recorded(Until(0, None)).run().events == []


def test_it_ends_when_the_time_is_used_up_and_counts_earlier_time() -> None:
    done = Recorded(Until(None, 100.2), before=100.0).run()
    assert done.step >= 1
    assert done.seconds >= 100.2
    assert [event.seconds for event in done.events] == sorted(event.seconds for event in done.events)
    assert all(event.seconds > 100 for event in done.events)
    assert {event.budget for event in done.events} == {100.2}
    assert Recorded(Until(None, 50.0), before=60.0).run().events == []


def test_whichever_comes_first() -> None:
    assert Until(5, 10.0).reached(5, 0.0)
    assert Until(5, 10.0).reached(0, 10.0)
    assert not Until(5, 10.0).reached(4, 9.9)
    assert not Until(None, None).reached(10**9, 1e9)


def test_it_ends_where_it_is_told_to() -> None:
    assert Recorded(Until(9, None), stop_after=2).run().step == 2


@pytest.mark.parametrize("count", [1, 2])
def test_it_ends_with_its_batches(count: int) -> None:
    trainer, state = tiny_state(tiny_config(temporal={"rates": ()}))
    clips = [some_clips(length=2, size=16)] * count
    train_loop(trainer, state, clips, Until(9, None), before=0.0, tell=silent, after_step=lambda s: True)
    assert state.step == count


def test_waiting_for_clips_is_counted_but_for_the_first_and_said_where_it_is_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a clock of our own: a step takes 3 seconds."""
    now = [0.0]
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def learn(*_: Any) -> dict[str, float]:
        now[0] += 3
        return {}

    monkeypatch.setattr(loop, "train_step", learn)

    def trained(seconds: float) -> list[Event]:
        def clips() -> Iterator[ClipBatch]:
            for _ in range(4):
                now[0] += seconds
                yield some_clips(length=2, size=16)

        trainer, state = tiny_state(tiny_config(temporal={"rates": ()}))
        events: list[Event] = []
        train_loop(trainer, state, clips(), Until(9, None), before=50, tell=events.append, after_step=lambda s: True)
        return events

    *stepped, said = trained(1)
    assert [event.waited for event in stepped if isinstance(event, Stepped)] == [0, 1, 2, 3]
    assert [event.seconds for event in stepped if isinstance(event, Stepped)] == [54, 58, 62, 66]
    assert isinstance(said, Noticed)
    assert said.message == "19% of the time was spent waiting for clips; 2 threads drew them (engine.readers)."
    assert all(isinstance(event, Stepped) for event in trained(0.3))
