"""Detection on a part of the frames: the points of the frames between are interpolated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from vid2vid_cli.conditioning import Annotation, FloatArray, VideoFrame


def annotate_every(
    frames: Iterable[VideoFrame], annotate: Callable[[VideoFrame], Annotation], interval: int
) -> Iterator[Annotation]:
    """One annotation per frame, in order. `annotate` receives every `interval`-th frame of a shot, and its last one.

    Up to `interval` frames are read ahead.
    """
    previous: Annotation | None = None
    pending: list[VideoFrame] = []

    def flush() -> Iterator[Annotation]:
        nonlocal previous
        if not pending:
            return
        current, start = annotate(pending[-1]), previous
        for number in range(1, len(pending)):
            assert start is not None, "the first frame of a shot is annotated at once"
            yield interpolate(start, current, number / len(pending))
        yield current
        previous = current
        pending.clear()

    for frame in frames:
        if frame.is_cut:
            yield from flush()
            previous = None
        pending.append(frame)
        if previous is None or len(pending) == interval:
            yield from flush()
    yield from flush()


def interpolate(first: Annotation, second: Annotation, share: float) -> Annotation:
    """The annotation between two others, `share` of the way from the first one to the second.

    A point that only one of them has is at its position there, if that one is nearer.
    """
    nearer = first if share < 0.5 else second
    if min(first.quality, second.quality) <= 0:
        return nearer
    points = {
        name: _interpolate_points(rows, second.points[name], share, nearer.points[name])
        for name, rows in first.points.items()
    }
    quality = (1 - share) * first.quality + share * second.quality
    return Annotation(first.height, first.width, quality, points)


def _interpolate_points(first: FloatArray, second: FloatArray, share: float, nearer: FloatArray) -> FloatArray:
    between = (1 - share) * first + share * second
    return np.where(np.isfinite(between), between, nearer).astype(np.float32)
