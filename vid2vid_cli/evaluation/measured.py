"""The metrics of the images of one row on one clip, and their means over frames and clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vid2vid_cli.metrics.temporal import flicker, frame_warping_errors, squared_warping_errors

MetricMeans = Mapping[str, tuple[float, float]]
"""Name -> (mean, number of frames)."""
FrameValues = NDArray[np.float64]
"""One value per frame; NaN where the metric was not measured."""


@dataclass(frozen=True)
class Measured:
    """Means over the frames of a clip, and the values of the frames."""

    means: MetricMeans
    frames: Mapping[str, FrameValues] = field(default_factory=dict)
    """Of the metrics that single frames have. Fewer values than frames in the clip are those of its last frames."""

    def __or__(self, other: Measured) -> Measured:
        """The metrics of both."""
        return Measured({**self.means, **other.means}, {**self.frames, **other.frames})


def measured_frames(frames: Mapping[str, FrameValues]) -> Measured:
    """The means of values per frame, without the infinite ones unless all are infinite."""
    means: dict[str, tuple[float, float]] = {}
    for name, values in frames.items():
        averaged = values[~np.isinf(values)] if not np.isinf(values).all() else values
        if len(averaged):
            means[name] = float(averaged.mean()), len(averaged)
    return Measured(means, frames)


def measured_warping(images: Tensor, flow: Tensor, confidence: Tensor, name: str = "warping_error") -> Measured:
    """`warping_error`, see `metrics.temporal`, of images (t, 3, h, w), t >= 2, by the flow of the real clip.

    `name`: of the metric, if the flow is another one. The mean is the root mean square over all pixels of the clip.
    """
    squared_errors, num_values = squared_warping_errors(images, flow, confidence)
    mean = float((squared_errors.sum() / num_values.sum().clamp(min=1)).sqrt())
    frames = frame_warping_errors(squared_errors, num_values).double().numpy()
    return Measured({name: (mean, len(images))}, {name: frames})


def measured_flicker(images: Tensor, targets: Tensor) -> Measured:
    """`flicker` of images (t, 3, h, w), t >= 2, against the real frames, see `metrics.temporal`."""
    values = flicker(images, targets).double().numpy()
    return Measured({"flicker": (float(values.mean()), len(values))}, {"flicker": np.concatenate([[np.nan], values])})


def mean_metrics(metrics_per_clip: Sequence[MetricMeans]) -> dict[str, float]:
    """The mean of each metric over all frames on which it was measured."""
    return {
        name: float(np.average([value for value, _ in entries], weights=[num_frames for _, num_frames in entries]))
        for name, entries in _group_by_name(metrics_per_clip).items()
    }


def deviation_over_clips(metrics_per_clip: Sequence[MetricMeans]) -> dict[str, float]:
    """The sample standard deviation of the means of the clips, for metrics that were measured on several clips."""
    return {
        name: float(np.std([value for value, _ in entries], ddof=1))
        for name, entries in _group_by_name(metrics_per_clip).items()
        if len(entries) > 1 and all(np.isfinite(value) for value, _ in entries)
    }


def _group_by_name(metrics_per_clip: Sequence[MetricMeans]) -> Mapping[str, list[tuple[float, float]]]:
    names = dict.fromkeys(name for metrics in metrics_per_clip for name in metrics)
    return {name: [metrics[name] for metrics in metrics_per_clip if name in metrics] for name in names}
