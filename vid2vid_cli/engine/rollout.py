"""The one recursion, for training and synthesis: conditions in, frames out, the last frames fed back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from vid2vid_cli.core.nouns import FrameOutput


class SequentialGenerator(Protocol):
    """What the recursion asks of a generator."""

    past: int
    """How many generated frames it sees."""
    window: int
    """How many conditions it sees, the current one included."""

    def __call__(self, window: Tensor, past: Tensor, first: bool = False) -> FrameOutput:
        """(b, window, c, h, w), (b, past, 3, h, w) -> the next frame."""
        ...


def rollout(
    generator: SequentialGenerator, conditions: Iterable[Tensor], *, detach_every: int = 1
) -> Iterator[FrameOutput]:
    """One frame per condition (b, c, h, w), in order, each drawn only when its frame is asked for.

    Before the first frame the past is zeros and the window repeats the first condition; a frame-wise model is a
    sequence model with a window of one and no past. Gradients flow back through at most `detach_every` frames. The
    iterator is the state: whoever holds it may draw some frames, update the weights, and draw on.
    """
    window: deque[Tensor] = deque(maxlen=generator.window)
    past: Tensor | None = None
    for index, condition in enumerate(conditions):
        window.append(condition)
        while len(window) < generator.window:
            window.append(condition)
        if past is None:
            batch, _, height, width = condition.shape
            past = condition.new_zeros(batch, generator.past, 3, height, width)
        if index % detach_every == 0:
            past = past.detach()
        frame = generator(torch.stack(list(window), dim=1), past, index == 0)
        if generator.past:
            past = torch.cat([past, frame.image[:, None]], dim=1)[:, 1:]
        yield frame
