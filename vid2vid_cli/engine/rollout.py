"""The recurrent rollout of a generator, used by training and synthesis."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from vid2vid_cli.core.types import FrameOutput, FrameReferences
from vid2vid_cli.ops.resample import downsample2x


@dataclass
class PastFrames:
    """The past of the next frame of a rollout: updated after each frame, and the start of one that is continued."""

    frames: list[Tensor] = field(default_factory=list)
    """(b, n, 3, h, w) per scale, finest first; [] before the first frame."""


class SequentialGenerator(Protocol):
    """The interface of a generator in the rollout."""

    num_scales: int
    """Spatial scales, each with its own past frames."""
    past_frames: int
    """Number of previously generated frames that are inputs of the next one."""
    window_size: int
    """Number of conditions that are inputs, including the current one."""

    def __call__(
        self,
        window: Tensor,
        past: Sequence[Tensor],
        is_first_frame: bool = False,
        *references: FrameReferences,
    ) -> FrameOutput:
        """(b, window, c, h, w), (b, past, 3, h, w) per scale, finest first -> the next frame.

        `references`: one item for a generator that has references.
        """
        ...


def rollout(
    generator: SequentialGenerator,
    conditions: Iterable[Tensor],
    *,
    bptt_frames: int = 1,
    initial_frames: Tensor | None = None,
    past_conditions: Iterable[Tensor] = (),
    references: Iterable[FrameReferences] | None = None,
    past_frames: PastFrames | None = None,
) -> Iterator[FrameOutput]:
    """Generate one frame per condition (b, c, h, w), in order; each is computed when the iterator is advanced.

    `initial_frames` (b, n, 3, h, w) are the past of the first frame, oldest first; None: zeros. `past_conditions` are
    the conditions of those frames; missing ones repeat the first condition. A frame-wise model has a window of one and
    no past. `references`: those of each frame, for a generator that has them as inputs. Gradients flow back through at
    most `bptt_frames` frames. The weights may be updated between two frames. `past_frames`: that of an earlier rollout
    continues it; `past_conditions` are then its last conditions.
    """
    recent_conditions: deque[Tensor] = deque(past_conditions, maxlen=generator.window_size)
    state = PastFrames() if past_frames is None else past_frames
    past = state.frames
    is_continued = bool(past)
    reference_stream = None if references is None else iter(references)
    for index, condition in enumerate(conditions):
        recent_conditions.append(condition)
        while len(recent_conditions) < generator.window_size:
            recent_conditions.appendleft(recent_conditions[0])
        if not past:
            past = _build_pyramid(_initial_past(condition, generator.past_frames, initial_frames), generator.num_scales)
        if index % bptt_frames == 0:
            past = [frames.detach() for frames in past]
        # A window of one is a view, which saves a full-resolution copy.
        window = torch.stack(list(recent_conditions), dim=1) if len(recent_conditions) > 1 else condition[:, None]
        is_first_frame = index == 0 and initial_frames is None and not is_continued
        extra_inputs = () if reference_stream is None else (next(reference_stream),)
        output = generator(window, past, is_first_frame, *extra_inputs)
        if generator.past_frames:
            past = [
                torch.cat([frames[:, 1:], new[:, None]], dim=1) if frames.shape[1] > 1 else new[:, None]
                for frames, new in zip(past, (output.image, *output.coarse_images), strict=True)
            ]
        state.frames = past
        yield output


def _initial_past(condition: Tensor, past_frames: int, initial_frames: Tensor | None) -> Tensor:
    """The last `past_frames` of `initial_frames`, the oldest repeated if there are too few; None: zeros."""
    batch, _, height, width = condition.shape
    if initial_frames is None:
        return condition.new_zeros(batch, past_frames, 3, height, width)
    num_missing = max(0, past_frames - initial_frames.shape[1])
    return torch.cat([initial_frames[:, :1].expand(-1, num_missing, -1, -1, -1), initial_frames], 1)[
        :, initial_frames.shape[1] + num_missing - past_frames :
    ]


def _build_pyramid(frames: Tensor, num_scales: int) -> list[Tensor]:
    """(b, p, 3, h, w) -> the frames at each scale, finest first."""
    pyramid = [frames]
    for _ in range(1, num_scales if frames.numel() else 1):
        downsampled = downsample2x(pyramid[-1].flatten(0, 1))
        pyramid.append(downsampled.view(*frames.shape[:2], *downsampled.shape[1:]))
    return pyramid
