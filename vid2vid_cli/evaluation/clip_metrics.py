"""The metrics of images of a clip, generated or not, all by the same functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import DatasetError
from vid2vid_cli.data.dataset import FrameRange, Split, valid_ranges
from vid2vid_cli.evaluation.perceptual import PerceptualMetric
from vid2vid_cli.evaluation.redetection import MetricMeans, redetection_errors
from vid2vid_cli.metrics.image import psnr, sharpness, ssim
from vid2vid_cli.metrics.temporal import warping_error
from vid2vid_cli.networks.flow_estimator import clip_flow
from vid2vid_cli.training_data.training_data import TrainingData


class ClipMetrics:
    """Compares images with the real frames of a clip."""

    def __init__(
        self,
        training_data: TrainingData,
        frame_range: FrameRange,
        real_frames: Tensor,
        *,
        redetectors: Sequence[Conditioner] = (),
        perceptual_metric: PerceptualMetric | None = None,
        on_detection: Callable[[], None] = lambda: None,
    ) -> None:
        """`real_frames` (t, 3, h, w) are those of `frame_range`. `on_detection` is called after each detection."""
        self._training_data, self._frame_range, self._real_frames = training_data, frame_range, real_frames
        self._redetectors, self._on_detection = redetectors, on_detection
        self._perceptual_metric = perceptual_metric
        self._flow: tuple[Tensor, Tensor] | None = None
        if len(real_frames) > 1:
            self._flow = clip_flow(real_frames)

    def measure(self, images: Tensor) -> MetricMeans:
        """The metrics of images of the last frames of the range, (t', 3, h, w) with t' <= t.

        `psnr` (dB) is the mean over the frames that differ from the real frame. `warping_error` needs two frames.
        """
        num_frames = len(images)
        real_frames = self._real_frames[-num_frames:]
        frame_psnr = psnr(images, real_frames)
        finite_psnr = frame_psnr[frame_psnr.isfinite()]
        metrics: MetricMeans = {
            "psnr": (float(finite_psnr.mean()), len(finite_psnr)) if len(finite_psnr) else (np.inf, num_frames),
            "ssim": (float(ssim(images, real_frames).mean()), num_frames),
            "sharpness": (float(sharpness(images, real_frames).mean()), num_frames),
        }
        if self._perceptual_metric is not None:
            with torch.inference_mode():
                distances = self._perceptual_metric(images, real_frames)
            metrics[self._perceptual_metric.name] = float(distances.mean()), num_frames
        if self._flow is not None and num_frames > 1:
            flow, confidence = (tensor[-num_frames:] for tensor in self._flow)
            metrics["warping_error"] = float(warping_error(images, flow, confidence)), num_frames
        frame_range = self._frame_range._replace(start=self._frame_range.stop - num_frames)
        return metrics | redetection_errors(
            self._redetectors,
            self._training_data.dataset,
            frame_range,
            view=self._training_data.view,
            images=images,
            on_frame=self._on_detection,
        )


def measured_ranges(training_data: TrainingData, split: Split, num_given_frames: int) -> list[FrameRange]:
    """The ranges of the split whose frames are generated, without the given frames. Raises DatasetError for none."""
    names = [conditioner.spec.name for conditioner in training_data.conditioners]
    min_frames = 2 + num_given_frames
    frame_ranges = [
        frame_range._replace(start=frame_range.start + num_given_frames)
        for frame_range in valid_ranges(training_data.dataset, names, split)
        if frame_range.num_frames >= min_frames
    ]
    if not frame_ranges:
        raise DatasetError(
            f"{training_data.dataset.folder} has no {min_frames} consecutive {split} frames to measure.",
            "Prepare a longer video.",
        )
    return frame_ranges


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
