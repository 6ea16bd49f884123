"""Metrics of an unpaired model: no frame has a counterpart, so its cycle and its steadiness are measured."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.clip_sampler import load_clip
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.engine.events import EventHandler, FrameProgress
from vid2vid_cli.engine.inference import translate_frames
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.evaluation.redetection import MetricMeans
from vid2vid_cli.metrics.image import psnr, ssim
from vid2vid_cli.metrics.temporal import warping_error
from vid2vid_cli.networks.flow_estimator import clip_flow
from vid2vid_cli.networks.translation import TranslationGenerator, opposite
from vid2vid_cli.training_data.training_data import TrainingData

MAX_PSNR = 100.0
"""Limit in dB of the PSNR of equal frames, so that the mean is finite."""


def measure_translation(
    generator: TranslationGenerator, frames: Tensor, runtime: Runtime
) -> tuple[MetricMeans, MetricMeans]:
    """The metrics of the translated frames of a clip, and those of the real frames (t, 3, h, w), t >= 2.

    `cycle_psnr` (dB), `cycle_ssim`: frames that are translated there and back, against the real frames.
    `warping_error`: as in `metrics.temporal`, by the flow of the real frames.
    """
    direction, num_frames = generator.direction, len(frames)
    translated = translate_frames(generator, frames, direction, runtime)
    reconstructed = translate_frames(generator, translated, opposite(direction), runtime)
    flow, confidence = clip_flow(frames)
    metrics: MetricMeans = {
        "cycle_psnr": (float(psnr(reconstructed, frames).clamp(max=MAX_PSNR).mean()), num_frames),
        "cycle_ssim": (float(ssim(reconstructed, frames).mean()), num_frames),
        "warping_error": (float(warping_error(translated, flow, confidence)), num_frames),
    }
    return metrics, {"warping_error": (float(warping_error(frames, flow, confidence)), num_frames)}


def measure_translations(
    generator: TranslationGenerator,
    training_data: TrainingData,
    frame_ranges: Sequence[FrameRange],
    runtime: Runtime,
    emit: EventHandler,
) -> list[dict[str, MetricMeans]]:
    """The metrics of the rows `model` and `real` for each range."""
    progress = FrameProgress("evaluate", sum(frame_range.num_frames for frame_range in frame_ranges), emit)
    rows_per_clip = []
    for frame_range in frame_ranges:
        clip = load_clip(training_data.dataset, training_data.conditioners, ClipSpec(training_data.view, frame_range))
        model_metrics, real_metrics = measure_translation(generator, clip.frames[0], runtime)
        rows_per_clip.append({"model": model_metrics, "real": real_metrics})
        for _ in range(frame_range.num_frames):
            progress.advance()
    return rows_per_clip
