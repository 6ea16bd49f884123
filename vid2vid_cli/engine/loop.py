"""The training loop, on one screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.events import Noticed, Stepped, Tell
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import Trainer, train_step

STARVED = 0.1
"""Share of the time spent waiting for clips from which on it is said."""


@dataclass(frozen=True)
class Until:
    """When training ends: at a step, or when a time is used up, whichever comes first."""

    steps: int | None
    seconds: float | None

    def reached(self, step: int, elapsed: float) -> bool:
        """Whether it is the end."""
        late = self.seconds is not None and elapsed >= self.seconds
        return late or (self.steps is not None and step >= self.steps)


def train_loop(
    trainer: Trainer,
    state: TrainState,
    batches: Iterable[ClipBatch],
    until: Until,
    *,
    before: float,
    tell: Tell,
    after_step: Callable[[float], bool],
) -> float:
    """Step until the end and return the seconds trained in all, `before` of them in earlier processes.

    `after_step` is called with the seconds after each step, and training ends where it answers False; saving and
    sampling live there. Resuming is calling this again with a loaded state. Of several processes that train together,
    all end after the same step, whichever wants to. Raises DivergedError, EndedElsewhereError, LostProcessError.
    """
    began = time.monotonic() - before
    elapsed, watch = before, Watch(batches)
    for batch in watch:
        if until.reached(state.step, elapsed):
            break
        terms = train_step(trainer, state, batch.to(trainer.machine.device))
        elapsed = time.monotonic() - began
        tell(Stepped(state.step, until.steps, terms, elapsed, until.seconds, watch.waited))
        if not trainer.group.go_on(partial(_goes_on, after_step, until, state.step, elapsed)):
            break
    if watch.waited > STARVED * (elapsed - before):
        share = watch.waited / (elapsed - before)
        readers = f"{trainer.config.engine.readers} threads drew them (engine.readers)"
        tell(Noticed(f"{share:.0%} of the time was spent waiting for clips; {readers}."))
    return elapsed


class Watch:
    """The same batches, and how long was waited for them, but for the first, which nothing could be done before."""

    def __init__(self, batches: Iterable[ClipBatch]) -> None:
        self._batches = iter(batches)
        self.waited = 0.0
        """Seconds."""

    def __iter__(self) -> Iterator[ClipBatch]:
        yield from islice(self._batches, 1)
        while True:
            asked = time.monotonic()
            batch = next(self._batches, None)
            self.waited += time.monotonic() - asked
            if batch is None:
                return
            yield batch


def _goes_on(after_step: Callable[[float], bool], until: Until, step: int, elapsed: float) -> bool:
    return after_step(elapsed) and not until.reached(step, elapsed)
