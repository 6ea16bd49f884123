"""Metrics of predicted frames: samples of a stochastic model beside simple baselines, all by the same functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vid2vid_cli.evaluation.comparison import is_better
from vid2vid_cli.evaluation.perceptual import PerceptualMetric
from vid2vid_cli.evaluation.redetection import MetricMeans
from vid2vid_cli.metrics.image import psnr, sharpness, ssim
from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.ops.warp import warp_repeatedly

MODEL, COPY_LAST, CONSTANT_FLOW = "model", "copy_last", "constant_flow"
MAX_PSNR = 100.0
"""Limit in dB of the PSNR of equal frames, so that the mean is finite."""
MIN_SSIM_SIDE = 11


def measure_samples(
    samples: Tensor, known_frames: Tensor, real_frames: Tensor, perceptual_metric: PerceptualMetric | None = None
) -> dict[str, MetricMeans]:
    """The metrics of samples (t, n, 3, h, w) of the frames (t, 3, h, w) that follow `known_frames` (c, 3, h, w).

    Rows: `model`, the mean over samples; `best_of_n`, for each metric the best sample of the clip; `copy_last`, the
    last known frame repeated; `constant_flow`, it warped repeatedly by the flow between the last two. Metrics: `psnr`
    (dB), `ssim`, `sharpness` and the perceptual one; `sample_diversity`, the mean absolute difference of consecutive
    samples in [0, 1].
    """
    num_frames, num_samples = samples.shape[:2]

    def measure(images: Tensor) -> Mapping[str, float]:
        return _measure(images, real_frames, perceptual_metric)

    measured = [measure(samples[:, index]) for index in range(num_samples)]
    rows = {MODEL: {name: sum(values[name] for values in measured) / num_samples for name in measured[0]}}
    if num_samples > 1:
        rows[MODEL]["sample_diversity"] = float((samples[:, 1:] - samples[:, :-1]).abs().mean() / 2)
        rows[f"best_of_{num_samples}"] = {name: _best(name, measured) for name in measured[0]}
    rows[COPY_LAST] = dict(measure(known_frames[-1:].expand(num_frames, -1, -1, -1)))
    if len(known_frames) > 1:
        flow, _ = DISFlow()(known_frames[-2:-1], known_frames[-1:])
        rows[CONSTANT_FLOW] = dict(measure(warp_repeatedly(known_frames[-1:], flow, num_frames)))
    return {row: {name: (value, num_frames) for name, value in values.items()} for row, values in rows.items()}


def _measure(images: Tensor, real_frames: Tensor, perceptual_metric: PerceptualMetric | None) -> Mapping[str, float]:
    """Means over frames."""
    metrics = {"psnr": psnr(images, real_frames).clamp(max=MAX_PSNR), "sharpness": sharpness(images, real_frames)}
    if min(images.shape[-2:]) >= MIN_SSIM_SIDE:
        metrics["ssim"] = ssim(images, real_frames)
    if perceptual_metric is not None:
        with torch.inference_mode():
            metrics[perceptual_metric.name] = perceptual_metric(images, real_frames)
    return {name: float(values.mean()) for name, values in metrics.items()}


def _best(name: str, measured: Sequence[Mapping[str, float]]) -> float:
    best = measured[0][name]
    for values in measured[1:]:
        if is_better(name, values[name], best):
            best = values[name]
    return best
