"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.events import EventHandler, InfoEvent, StepEvent
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext

DATA_WAIT_WARNING = 0.1
"""Share of the time spent waiting for clips above which a notice is emitted."""


@dataclass(frozen=True)
class StopCondition:
    """Training ends at a step or after a time, whichever comes first; None: no limit."""

    max_steps: int | None
    max_seconds: float | None

    def describe(self) -> str:
        """Human-readable, such as `step 2000` or `600 seconds`."""
        limits = [f"step {self.max_steps}"] if self.max_steps is not None else []
        limits += [f"{self.max_seconds:.0f} seconds"] if self.max_seconds is not None else []
        return " or ".join(limits)

    def is_reached(self, step: int, elapsed_seconds: float) -> bool:
        """Whether training ends after this step."""
        is_timed_out = self.max_seconds is not None and elapsed_seconds >= self.max_seconds
        return is_timed_out or (self.max_steps is not None and step >= self.max_steps)


def train_loop(
    context: TrainContext,
    state: TrainState,
    batches: Iterable[ClipBatch],
    stop_condition: StopCondition,
    *,
    previous_seconds: float,
    emit: EventHandler,
    after_step: Callable[[float], bool],
) -> float:
    """Train until the stop condition and return the training time in seconds, including `previous_seconds`.

    `after_step` is called after each step with the elapsed seconds, and saves checkpoints and samples; training ends if
    it returns False. To resume, call this function with a restored state. In a distributed training all processes end
    after the same step. Raises DivergenceError, RankStoppedError, WorkerLostError.
    """
    start_time = time.monotonic() - previous_seconds
    elapsed_seconds, timed_batches = previous_seconds, TimedBatches(batches)
    for batch in timed_batches:
        if stop_condition.is_reached(state.step, elapsed_seconds):
            break
        losses = train_step(context, state, batch.to(context.runtime.device))
        elapsed_seconds = time.monotonic() - start_time
        emit(
            StepEvent(
                state.step,
                stop_condition.max_steps,
                losses,
                elapsed_seconds=elapsed_seconds,
                max_seconds=stop_condition.max_seconds,
                data_wait_seconds=timed_batches.data_wait_seconds,
                num_skipped_updates=state.num_skipped_updates,
            )
        )
        if not context.process_group.all_agree(
            partial(_should_continue, after_step, stop_condition, state.step, elapsed_seconds)
        ):
            break
    if timed_batches.data_wait_seconds > DATA_WAIT_WARNING * (elapsed_seconds - previous_seconds):
        wait_share = timed_batches.data_wait_seconds / (elapsed_seconds - previous_seconds)
        workers_hint = f"increase data.num_workers (now {context.config.data.num_workers})"
        emit(InfoEvent(f"{wait_share:.0%} of the time was spent waiting for clips: {workers_hint}."))
    if state.num_skipped_updates:
        emit(
            InfoEvent(
                f"fp16: {state.num_skipped_updates} updates in {state.step} steps were left out, because gradients "
                "overflowed; the loss scale was halved after each."
            )
        )
    return elapsed_seconds


class TimedBatches:
    """Iterates over batches and measures the time spent waiting for them, except for the first batch."""

    def __init__(self, batches: Iterable[ClipBatch]) -> None:
        self._batches = iter(batches)
        self.data_wait_seconds = 0.0

    def __iter__(self) -> Iterator[ClipBatch]:
        yield from islice(self._batches, 1)
        while True:
            request_time = time.monotonic()
            batch = next(self._batches, None)
            self.data_wait_seconds += time.monotonic() - request_time
            if batch is None:
                return
            yield batch


def _should_continue(
    after_step: Callable[[float], bool], stop_condition: StopCondition, step: int, elapsed_seconds: float
) -> bool:
    return after_step(elapsed_seconds) and not stop_condition.is_reached(step, elapsed_seconds)
