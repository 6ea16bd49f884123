"""The one recursion, for training and synthesis: conditions in, frames out, the last frames fed back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.ops.resample import halve


class SequentialGenerator(Protocol):
    """What the recursion asks of a generator."""

    scales: int
    """Spatial scales, each of which has a past of its own."""
    past: int
    """How many generated frames it sees."""
    window: int
    """How many conditions it sees, the current one included."""

    def __call__(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
        """(b, window, c, h, w), (b, past, 3, h, w) per scale, finest first -> the next frame."""
        ...


def rollout(
    generator: SequentialGenerator,
    conditions: Iterable[Tensor],
    *,
    detach_every: int = 1,
    begin: Tensor | None = None,
    seen: Iterable[Tensor] = (),
) -> Iterator[FrameOutput]:
    """One frame per condition (b, c, h, w), in order, each drawn only when its frame is asked for.

    Before the first frame the past is `begin`, (b, n, 3, h, w) the frames before it, oldest first, or zeros. `seen` are
    the conditions of those frames; where none are known the window repeats the first condition, as though all had stood
    still. A frame-wise model is a sequence model with a window of one and no past.
    Gradients flow back through at most `detach_every` frames. The iterator is the state: whoever holds it may draw
    some frames, update the weights, and draw on.
    """
    window: deque[Tensor] = deque(seen, maxlen=generator.window)
    past: list[Tensor] = []
    for index, condition in enumerate(conditions):
        window.append(condition)
        while len(window) < generator.window:
            window.appendleft(window[0])
        if not past:
            past = _pyramid(_before(condition, generator.past, begin), generator.scales)
        if index % detach_every == 0:
            past = [frames.detach() for frames in past]
        # A window of one is shown as it is: a copy of what has the size of a picture is not free on a processor.
        shown = torch.stack(list(window), dim=1) if len(window) > 1 else condition[:, None]
        frame = generator(shown, past, index == 0 and begin is None)
        if generator.past:
            past = [
                torch.cat([frames, new[:, None]], dim=1)[:, 1:]
                for frames, new in zip(past, (frame.image, *frame.coarse), strict=True)
            ]
        yield frame


def _before(condition: Tensor, past: int, begin: Tensor | None) -> Tensor:
    """The frames before the first, (b, past, 3, h, w): the last of `begin`, the oldest of them repeated if need be."""
    batch, _, height, width = condition.shape
    if begin is None:
        return condition.new_zeros(batch, past, 3, height, width)
    missing = max(0, past - begin.shape[1])
    return torch.cat([begin[:, :1].expand(-1, missing, -1, -1, -1), begin], 1)[:, begin.shape[1] + missing - past :]


def _pyramid(frames: Tensor, scales: int) -> list[Tensor]:
    """(b, p, 3, h, w) -> the same at each scale, finest first."""
    pyramid = [frames]
    for _ in range(1, scales if frames.numel() else 1):
        half = halve(pyramid[-1].flatten(0, 1))
        pyramid.append(half.view(*frames.shape[:2], *half.shape[1:]))
    return pyramid
