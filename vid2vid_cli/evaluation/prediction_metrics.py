"""Metrics of predicted frames: samples of a stochastic model beside simple baselines, all by the same functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from vid2vid_cli.evaluation.baselines import COPY_LAST
from vid2vid_cli.evaluation.measured import Measured, measured_frames
from vid2vid_cli.evaluation.metric_info import is_better
from vid2vid_cli.evaluation.perceptual import DistanceToClip, PerceptualMetric
from vid2vid_cli.evaluation.result import MODEL
from vid2vid_cli.metrics.image import MAX_PSNR, psnr, sharpness, ssim
from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.ops.warp import warp_repeatedly

CONSTANT_FLOW = "constant_flow"
MIN_SSIM_SIDE = 11


def measure_samples(
    samples: Tensor,
    known_frames: Tensor,
    real_frames: Tensor,
    perceptual_metric: PerceptualMetric | None = None,
    *,
    baselines: bool = True,
) -> dict[str, Measured]:
    """The metrics of samples (t, n, 3, h, w) of the frames (t, 3, h, w) that follow `known_frames` (c, 3, h, w).

    Rows: `model`, the mean over samples; `best_of_n`, for each metric the best sample of the clip; with `baselines`
    `copy_last`, the last known frame repeated; `constant_flow`, it warped repeatedly by the flow between the last two.
    Metrics: `psnr` (dB), `ssim`, `sharpness` and the perceptual one; `sample_diversity`, the mean absolute difference
    of consecutive samples in [0, 1].
    """
    num_frames, num_samples = samples.shape[:2]
    perceptual = None if perceptual_metric is None else DistanceToClip(perceptual_metric, real_frames)

    def measure(images: Tensor) -> Measured:
        return _measure(images, real_frames, perceptual)

    measured = [measure(samples[:, index]) for index in range(num_samples)]
    names = measured[0].frames
    rows = {MODEL: measured_frames({name: np.mean([m.frames[name] for m in measured], axis=0) for name in names})}
    if num_samples > 1:
        diversity = float((samples[:, 1:] - samples[:, :-1]).abs().mean() / 2)
        rows[MODEL] |= Measured({"sample_diversity": (diversity, num_frames)})
        best = [_best(name, measured) for name in names]
        rows[f"best_of_{num_samples}"] = Measured(
            {name: sample.means[name] for name, sample in zip(names, best, strict=True)},
            {name: sample.frames[name] for name, sample in zip(names, best, strict=True)},
        )
    if baselines:
        rows[COPY_LAST] = measure(known_frames[-1:].expand(num_frames, -1, -1, -1))
        if len(known_frames) > 1:
            flow, _ = DISFlow()(known_frames[-2:-1], known_frames[-1:])
            rows[CONSTANT_FLOW] = measure(warp_repeatedly(known_frames[-1:], flow, num_frames))
    return rows


def _measure(images: Tensor, real_frames: Tensor, perceptual: DistanceToClip | None) -> Measured:
    values = {"psnr": psnr(images, real_frames).clamp(max=MAX_PSNR), "sharpness": sharpness(images, real_frames)}
    if min(images.shape[-2:]) >= MIN_SSIM_SIDE:
        values["ssim"] = ssim(images, real_frames)
    if perceptual is not None:
        values[perceptual.name] = perceptual(images)
    return measured_frames({name: tensor.double().numpy() for name, tensor in values.items()})


def _best(name: str, measured: Sequence[Measured]) -> Measured:
    """The sample with the best mean of a metric."""
    best = measured[0]
    for sample in measured[1:]:
        if is_better(name, sample.means[name][0], best.means[name][0]):
            best = sample
    return best
