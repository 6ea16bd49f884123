"""The training loop, on one screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from vid2vid_cli.core.nouns import ClipBatch
from vid2vid_cli.engine.events import Stepped, Tell
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import Trainer, train_step


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
    elapsed = before
    for batch in batches:
        if until.reached(state.step, elapsed):
            break
        terms = train_step(trainer, state, batch.to(trainer.machine.device))
        elapsed = time.monotonic() - began
        tell(Stepped(state.step, until.steps, terms, elapsed, until.seconds))
        if not trainer.group.go_on(partial(_goes_on, after_step, until, state.step, elapsed)):
            break
    return elapsed


def _goes_on(after_step: Callable[[float], bool], until: Until, step: int, elapsed: float) -> bool:
    return after_step(elapsed) and not until.reached(step, elapsed)
