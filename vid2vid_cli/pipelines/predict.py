"""`predict`: predicts what follows a clip: frames, or label maps that another checkpoint renders.

Future video prediction of vid2vid (Wang et al., NeurIPS 2018, section 4.3).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.paths import shorten_name
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.engine.events import EventHandler, InfoEvent, ProgressEvent
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.rollout import SequentialGenerator
from vid2vid_cli.media.contact_sheet import side_by_side
from vid2vid_cli.media.files import write_text
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT, VideoWriter
from vid2vid_cli.pipelines.predict_frames import PredictResult, predict_frames
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile, open_checkpoint
from vid2vid_cli.rendering.forecast import (
    Forecast,
    ForecastClip,
    constant_motion_baseline,
    measure_forecast,
    predict_labels,
    render_prediction,
    repeat_last_baseline,
)
from vid2vid_cli.rendering.forecast_input import ForecastInput, open_dataset_input, open_video_input
from vid2vid_cli.rendering.label_channels import LabelChannels, build_label_channels
from vid2vid_cli.rendering.loaded_model import LoadedModel, load_model
from vid2vid_cli.rendering.output_path import choose_output_path
from vid2vid_cli.requests.measure import PredictRequest

__all__ = ["PredictRequest", "PredictResult", "predict"]

MIN_CONTEXT_FRAMES = 2
"""Two frames are needed to estimate motion."""


def predict(request: PredictRequest, on_event: EventHandler) -> PredictResult:
    """Predict frames, see `predict_frames`, or label maps, which are rendered and compared with the real continuation.

    Metrics: `iou` (%, mean over classes) and, with a renderer, `psnr` (dB), means over all frames and clips. Suffixes:
    `_still` and `_moving` for the baselines (last frame repeated; constant motion), `_last` for the last frame only.

    Raises ConfigError (a checkpoint with another target, or an incompatible renderer), TooFewFramesError and the errors
    of reading a dataset, a video or a checkpoint.
    """
    checkpoint = open_checkpoint(request.checkpoint, "labels", "future_frames")
    if checkpoint.metadata.generator.target == "future_frames":
        return predict_frames(request, checkpoint, on_event)
    if request.num_samples is not None:
        raise ConfigError(
            f"--samples {request.num_samples}: {checkpoint.path} (model={checkpoint.metadata.model}) is deterministic.",
            "Leave it out. Samples are for model=savp.",
        )
    model = load_model(checkpoint, request.device, request.precision)
    renderer = _load_renderer(request, checkpoint)
    num_context_frames = max(
        model.generator.past_frames, MIN_CONTEXT_FRAMES, renderer.past_frames if renderer is not None else 0
    )
    forecast_input = _open_input(request, checkpoint, num_context_frames, on_event)
    label_channels = build_label_channels(forecast_input.conditioners)
    on_event(InfoEvent(f"predicting {request.num_frames} frames of {request.source} on {model.runtime.describe()}"))
    out = _output_path(request)
    clip_metrics: list[dict[str, Tensor]] = []
    with VideoWriter(out, forecast_input.fps, comment=SYNTHETIC_COMMENT) as video:
        for index, clip in enumerate(forecast_input.clips):
            forecast = _make_forecast(model, renderer, clip, label_channels=label_channels, request=request)
            clip_metrics.append(_measure_with_baselines(forecast, clip, label_channels, request.num_frames))
            for image in _comparison_images(forecast, clip, label_channels):
                video.write(image)
            on_event(ProgressEvent("predict", index + 1, forecast_input.num_clips, "clips"))
    metrics = _mean_metrics(clip_metrics)
    if metrics:
        record = {
            "checkpoint": str(checkpoint.path),
            "data": str(request.source),
            "num_frames": request.num_frames,
            **metrics,
        }
        write_text(out.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    return PredictResult(out, request.num_frames * forecast_input.num_clips, metrics)


def _make_forecast(
    model: LoadedModel,
    renderer: SequentialGenerator | None,
    clip: ForecastClip,
    *,
    label_channels: LabelChannels,
    request: PredictRequest,
) -> Forecast:
    predicted_conditions = predict_labels(model.generator, clip.conditions, request.num_frames, model.runtime)
    conditions = label_channels.to_one_hot(predicted_conditions)
    if renderer is None:
        return Forecast(conditions, None)
    return Forecast(conditions, render_prediction(renderer, clip, conditions, model.runtime))


def _measure_with_baselines(
    forecast: Forecast, clip: ForecastClip, label_channels: LabelChannels, num_frames: int
) -> dict[str, Tensor]:
    """The metrics of a forecast and of the two baselines; {} if the real continuation is unknown."""
    forecast_metrics = measure_forecast(forecast, clip, label_channels)
    metrics = dict(forecast_metrics)
    for name, baseline in (
        ("still", repeat_last_baseline(clip, num_frames)),
        ("moving", constant_motion_baseline(clip, num_frames)),
    ):
        metrics |= {
            f"{key}_{name}": value
            for key, value in measure_forecast(baseline, clip, label_channels).items()
            if key in forecast_metrics
        }
    return metrics


def _mean_metrics(clip_metrics: list[dict[str, Tensor]]) -> dict[str, float]:
    stacked_metrics = {
        name: torch.stack([metrics[name] for metrics in clip_metrics])
        for name in (clip_metrics[0] if clip_metrics else ())
    }
    means = {name: float(values.mean()) for name, values in stacked_metrics.items()}
    return means | {f"{name}_last": float(values[:, -1].mean()) for name, values in stacked_metrics.items()}


def _comparison_images(forecast: Forecast, clip: ForecastClip, label_channels: LabelChannels) -> Iterator[ImageArray]:
    """One image per frame: real and predicted labels, and real and rendered frames if available, side by side."""
    rows: dict[str, list[ImageArray]] = {}
    if clip.next_conditions is not None:
        rows["labels"] = [label_channels.visualize(frame) for frame in clip.next_conditions]
    rows["predicted"] = [label_channels.visualize(frame) for frame in forecast.conditions]
    if clip.next_frames is not None:
        rows["real"] = [to_uint8_image(frame) for frame in clip.next_frames]
    if forecast.frames is not None:
        rows["rendered"] = [to_uint8_image(frame) for frame in forecast.frames]
    for images in zip(*rows.values(), strict=True):
        yield side_by_side(images, list(rows), images[0].shape[0])


def _load_renderer(request: PredictRequest, predictor: CheckpointFile) -> SequentialGenerator | None:
    if request.renderer is None:
        return None
    renderer = open_checkpoint(request.renderer, "frames")
    renderer_names, predictor_names = (
        [conditioner.name for conditioner in checkpoint.metadata.conditioners] for checkpoint in (renderer, predictor)
    )
    renderer_channels = renderer.metadata.condition_spec.input_channels
    predictor_channels = predictor.metadata.condition_spec.channels
    for property_name, renderer_value, predictor_value in (
        ("conditioners", renderer_names, predictor_names),
        ("condition channels", renderer_channels, predictor_channels),
        ("size (height, width)", renderer.metadata.output_size, predictor.metadata.output_size),
    ):
        if renderer_value != predictor_value:
            raise ConfigError(
                f"{renderer.path} cannot render the labels of {predictor.path}: {property_name} {renderer_value} "
                f"instead of {predictor_value}.",
                "Train both on the same dataset with the same data.height and data.aspect_ratio, and without styles.",
            )
    return load_model(renderer, request.device, request.precision).generator


def _open_input(
    request: PredictRequest, checkpoint: CheckpointFile, num_context_frames: int, emit: EventHandler
) -> ForecastInput:
    if (request.source / MANIFEST_FILE_NAME).is_file():
        return open_dataset_input(
            request.source,
            request.split,
            checkpoint,
            num_context_frames=num_context_frames,
            num_frames=request.num_frames,
        )
    return open_video_input(
        request.source, request.options, checkpoint, num_context_frames=num_context_frames, emit=emit
    )


def _output_path(request: PredictRequest) -> Path:
    default = Path(f"{shorten_name(request.source.resolve().stem)}_future.mp4")
    return choose_output_path(request.out, default, overwrite=request.overwrite)
