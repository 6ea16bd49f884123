"""Reference flow of clips, computed by a flow estimator."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from vid2vid_cli.core.types import ReferenceFlow


class FlowEstimator(Protocol):
    """Optical flow between two frames."""

    def __call__(self, previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, h, w) twice -> backward flow (n, 2, h, w) in pixels, confidence (n, 1, h, w)."""
        ...


def zero_flow(frames: Tensor) -> ReferenceFlow:
    """Flow with confidence 0 for a clip (b, t, 3, h, w)."""
    batch, length, _, height, width = frames.shape
    return ReferenceFlow(
        frames.new_zeros(batch, length, 2, height, width), frames.new_zeros(batch, length, 1, height, width)
    )


def estimate_reference_flow(flow_estimator: FlowEstimator, frames: Tensor, stride: int) -> ReferenceFlow:
    """Flow from each frame of a clip (b, t, 3, h, w) to the frame `stride` frames before it.

    It is estimated directly between the two frames, which is more accurate than adding the flows in between.
    """
    batch, length, _, height, width = frames.shape
    result = zero_flow(frames)
    if length > stride:
        flow, confidence = flow_estimator(frames[:, :-stride].flatten(0, 1), frames[:, stride:].flatten(0, 1))
        result.flow[:, stride:] = flow.reshape(batch, length - stride, 2, height, width)
        result.confidence[:, stride:] = confidence.reshape(batch, length - stride, 1, height, width)
    return result
