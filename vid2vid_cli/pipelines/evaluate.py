"""`evaluate`: measures a checkpoint on the frames of a dataset split."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vid2vid_cli.core.errors import DatasetError
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.clip_sampler import load_clip
from vid2vid_cli.data.dataset import valid_ranges
from vid2vid_cli.data.reference_selection import ReferenceSource
from vid2vid_cli.engine.events import EventHandler, ProgressEvent, ignore_events
from vid2vid_cli.engine.inference import generate_clip
from vid2vid_cli.engine.styles import apply_styles
from vid2vid_cli.media.files import write_text
from vid2vid_cli.metrics.image import psnr, ssim
from vid2vid_cli.metrics.temporal import warping_error
from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.pipelines.redetection import MetricMeans, load_redetectors, redetection_errors
from vid2vid_cli.rendering.loaded_model import LoadedModel, load_model, open_checkpoint
from vid2vid_cli.requests.measure import EvaluateRequest
from vid2vid_cli.requests.render import StyleOptions
from vid2vid_cli.training_data.training_data import open_data_for_checkpoint

__all__ = ["EvaluateRequest", "EvaluateResult", "evaluate"]


@dataclass(frozen=True)
class EvaluateResult:
    """The metrics and the JSON file that contains them."""

    path: Path
    metrics: Mapping[str, float]


def evaluate(request: EvaluateRequest, on_event: EventHandler) -> EvaluateResult:
    """Generate the frames of a split from their conditions and compare them with the real frames.

    `psnr` (dB) and `ssim`: means over frames. `warping_error`, `warping_error_real`: RMS difference in [0, 1] between
    frames that are aligned by the flow of the real clip. See `redetection_errors` for the metrics of the conditioners.
    A model with styles uses the most common style of each class. Raises the errors of `synthesize`.
    """
    checkpoint = open_checkpoint(request.checkpoint, "frames")
    model = load_model(checkpoint, request.device, request.precision)
    metadata = model.metadata
    training_data = open_data_for_checkpoint(request.data, metadata, checkpoint.path)
    dataset, view = training_data.dataset, training_data.view
    names = [conditioner.name for conditioner in metadata.conditioners]
    model = model.with_options(StyleOptions(), request.initial_frame, has_real_frames=True, emit=on_event)
    num_given_frames = model.initial_frame.num_given_frames
    min_frames = 2 + num_given_frames
    frame_ranges = [
        frame_range
        for frame_range in valid_ranges(dataset, names, request.split)
        if frame_range.num_frames >= min_frames
    ]
    if not frame_ranges:
        raise DatasetError(
            f"{request.data} has no {min_frames} consecutive {request.split} frames to measure.",
            "Prepare a longer video.",
        )
    redetectors = load_redetectors(metadata.conditioners, on_event)
    thing_ids = metadata.style_bank.thing_class_ids if metadata.style_bank is not None else None
    num_frames = sum(frame_range.num_frames - num_given_frames for frame_range in frame_ranges)
    generation = _FrameProgress("evaluate", num_frames, on_event)
    num_detected_images = 2 * len(redetectors) * num_frames
    detection = _FrameProgress("detect", num_detected_images, on_event if num_detected_images else ignore_events)
    metrics_per_clip: list[MetricMeans] = []
    for frame_range in frame_ranges:
        clip = load_clip(
            dataset,
            training_data.conditioners,
            ClipSpec(view, frame_range),
            thing_class_ids=thing_ids,
            reference_source=None if model.reference_bank is None else ReferenceSource(model.reference_bank),
        )
        images = _generate_images(model, clip, generation.advance)
        redetection_metrics = redetection_errors(
            redetectors,
            dataset,
            frame_range._replace(start=frame_range.start + num_given_frames),
            view=view,
            images={"": images, "_real": clip.frames[0, num_given_frames:]},
            on_frame=detection.advance,
        )
        metrics_per_clip.append(_image_metrics(images, clip.frames[0, num_given_frames:]) | redetection_metrics)
    metrics = _weighted_means(metrics_per_clip)
    out = request.out if request.out is not None else checkpoint.path.with_name("evaluation.json")
    record = {
        "checkpoint": str(checkpoint.path),
        "data": str(request.data),
        "split": request.split,
        "num_frames": num_frames,
    }
    write_text(out, json.dumps(record | metrics, indent=1) + "\n")
    return EvaluateResult(out, metrics)


class _FrameProgress:
    """Reports the progress of a stage, from its start on."""

    def __init__(self, stage: str, num_frames: int, emit: EventHandler) -> None:
        self._stage, self._num_frames, self._emit = stage, num_frames, emit
        self._num_done = -1
        self.advance()

    def advance(self) -> None:
        """Report one more frame."""
        self._num_done += 1
        self._emit(ProgressEvent(self._stage, self._num_done, self._num_frames))


def _generate_images(model: LoadedModel, clip: ClipBatch, on_frame: Callable[[], None]) -> Tensor:
    """The generated frames (t, 3, h, w) of a clip, without the given frames of a published start."""
    num_given_frames = model.initial_frame.num_given_frames
    num_first_frames = max(1, num_given_frames)
    first_conditions = clip.conditions[:, :num_first_frames].to(model.runtime.device).float()
    with torch.inference_mode(), model.runtime.autocast():
        initial_frames = model.initial_frame(clip.frames[:, :num_first_frames].unbind(1), first_conditions.unbind(1))
    conditions = apply_styles(clip, model.style_assigner)
    outputs = generate_clip(
        model.generator,
        conditions,
        model.runtime,
        initial_frames,
        references=clip.references,
        num_given_frames=num_given_frames,
        on_frame=lambda _: on_frame(),
    )
    return torch.cat([output.image.cpu().float() for output in outputs])


def _image_metrics(images: Tensor, real_frames: Tensor) -> MetricMeans:
    num_frames = len(images)
    flow, confidence = DISFlow()(real_frames[:-1], real_frames[1:])
    # `warping_error` expects one entry per frame and ignores the first, which has no previous frame.
    flow, confidence = (torch.cat([tensor[:1] * 0, tensor]) for tensor in (flow, confidence))
    return {
        "psnr": (float(psnr(images, real_frames).mean()), num_frames),
        "ssim": (float(ssim(images, real_frames).mean()), num_frames),
        "warping_error": (float(warping_error(images, flow, confidence)), num_frames),
        "warping_error_real": (float(warping_error(real_frames, flow, confidence)), num_frames),
    }


def _weighted_means(metrics_per_clip: Sequence[MetricMeans]) -> dict[str, float]:
    """The mean of each metric over all frames on which it was measured."""
    names = dict.fromkeys(name for metrics in metrics_per_clip for name in metrics)
    means: dict[str, float] = {}
    for name in names:
        values, num_frames = zip(*(metrics[name] for metrics in metrics_per_clip if name in metrics), strict=True)
        means[name] = float(np.average(values, weights=num_frames))
    return means
