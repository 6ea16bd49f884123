"""`evaluate`: measures a checkpoint, and the baselines that it must surpass, on the frames of a dataset split."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.json_values import to_json_value
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.clip_sampler import load_clip
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.data.reference_selection import ReferenceSource
from vid2vid_cli.engine.events import EventHandler, FrameProgress, ignore_events
from vid2vid_cli.engine.inference import generate_clip
from vid2vid_cli.engine.styles import apply_styles
from vid2vid_cli.evaluation.baselines import Baselines, find_baselines, report_baselines
from vid2vid_cli.evaluation.clip_metrics import ClipMetrics, measured_ranges
from vid2vid_cli.evaluation.own_dataset import find_own_dataset
from vid2vid_cli.evaluation.perceptual import PerceptualMetric, choose_perceptual_metric
from vid2vid_cli.evaluation.redetection import MetricMeans, load_redetectors
from vid2vid_cli.evaluation.result import MODEL, REAL, EvaluateResult, combine_clips
from vid2vid_cli.evaluation.style_metrics import NUM_GENERATIONS, STYLE_ROWS, StyleMetrics
from vid2vid_cli.evaluation.translation_metrics import measure_translations
from vid2vid_cli.media.files import write_text
from vid2vid_cli.networks.bicyclegan import BicycleGenerator
from vid2vid_cli.networks.translation import TranslationGenerator
from vid2vid_cli.pipelines.evaluate_prediction import evaluate_prediction
from vid2vid_cli.rendering.loaded_model import CheckpointFile, LoadedModel, check_direction, load_model, open_checkpoint
from vid2vid_cli.requests.measure import EvaluateRequest
from vid2vid_cli.requests.render import StyleOptions
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint
from vid2vid_cli.training_data.training_data import TrainingData

__all__ = ["EvaluateRequest", "EvaluateResult", "evaluate"]


def evaluate(request: EvaluateRequest, on_event: EventHandler) -> EvaluateResult:
    """Generate the frames of a split from their conditions and compare them with the real frames.

    `psnr` (dB) and `ssim`: means over frames. `sharpness`: see `metrics.image`. `warping_error`, `warping_error_real`:
    RMS difference in [0, 1] between frames that are aligned by the flow of the real clip. See `redetection_errors` for
    the metrics of the conditioners, `choose_perceptual_metric` for the perceptual distance, and `Baselines` for the
    baselines, to which the same functions are applied.
    An unpaired model has no frames to compare with: see `measure_translation`; for one that predicts frames see
    `evaluate_prediction`.
    A model with styles uses the most common style of each class; one with a style per video is also measured by
    `StyleMetrics`. Raises the errors of `synthesize`.
    """
    checkpoint = open_checkpoint(request.checkpoint, "frames", "future_frames")
    data = find_own_dataset(request, checkpoint.path, checkpoint.metadata.training, emit=on_event)
    if checkpoint.metadata.generator.target == "future_frames":
        return evaluate_prediction(request, checkpoint, data, emit=on_event)
    _check_no_samples(request, checkpoint)
    check_direction(checkpoint, request.direction)
    model = load_model(checkpoint, request.device, request.precision)
    training_data = open_data_for_checkpoint(data, model.metadata, checkpoint.path)
    model = model.with_direction(request.direction, on_event)
    model = model.with_options(StyleOptions(), request.initial_frame, has_real_frames=True, emit=on_event)
    frame_ranges = measured_ranges(training_data, request.split, model.initial_frame.num_given_frames)
    not_computed: Mapping[str, str] = {}
    if isinstance(model.generator, TranslationGenerator):
        rows_per_clip = measure_translations(model.generator, training_data, frame_ranges, model.runtime, on_event)
    else:
        rows_per_clip, not_computed = _measure_model(request, model, training_data, frame_ranges, on_event)
    out = request.out if request.out is not None else checkpoint.path.with_name("evaluation.json")
    result = combine_clips(out, data, rows_per_clip, not_computed=not_computed)
    record = {
        **{"checkpoint": str(checkpoint.path), "data": str(data), "split": request.split},
        "num_frames": sum(frame_range.num_frames for frame_range in frame_ranges),
        "num_clips": len(frame_ranges),
        **result.metrics,
        "deviations": result.deviations,
        "not_computed": result.not_computed,
        "styles": {name: result.rows[name] for name in STYLE_ROWS if name in result.rows},
    }
    if request.baselines and not isinstance(model.generator, TranslationGenerator):
        record |= {"baselines": result.baselines, "beats_nearest": result.beats_nearest}
        record["comparison"] = result.comparison
    write_text(result.path, json.dumps(to_json_value(record), indent=1) + "\n")
    return result


def _check_no_samples(request: EvaluateRequest, checkpoint: CheckpointFile) -> None:
    """Raise ConfigError for options of models that predict frames."""
    for name, value in (("--samples", request.num_samples), ("--frames", request.num_frames)):
        if value is not None:
            raise ConfigError(
                f"{name} {value}: {checkpoint.path} (model={checkpoint.metadata.model}) has no samples.",
                "Leave it out. It is for model=savp.",
            )


def _measure_model(
    request: EvaluateRequest,
    model: LoadedModel,
    training_data: TrainingData,
    frame_ranges: Sequence[FrameRange],
    emit: EventHandler,
) -> tuple[list[dict[str, MetricMeans]], Mapping[str, str]]:
    """The metrics of each clip and row, and the metrics that are not computed."""
    redetectors = load_redetectors(model.metadata.conditioners, emit)
    baselines = None
    if request.baselines:
        baselines = find_baselines(training_data, frame_ranges, split=request.split, emit=emit)
        report_baselines(baselines, training_data, model.metadata, emit)
    trained_with = model.metadata.training.get("perceptual_network", "")
    perceptual_metric, not_computed = choose_perceptual_metric(trained_with, model.runtime.device, emit)
    evaluation = _Evaluation(
        model,
        training_data,
        redetectors,
        baselines,
        perceptual_metric=perceptual_metric,
        frame_ranges=frame_ranges,
        emit=emit,
    )
    return [evaluation.measure_clip(frame_range) for frame_range in frame_ranges], not_computed


class _Evaluation:
    """Measures model, baselines and real frames, one clip at a time."""

    def __init__(
        self,
        model: LoadedModel,
        training_data: TrainingData,
        redetectors: Sequence[Conditioner],
        baselines: Baselines | None,
        *,
        perceptual_metric: PerceptualMetric | None,
        frame_ranges: Sequence[FrameRange],
        emit: EventHandler,
    ) -> None:
        self._model, self._training_data, self._redetectors = model, training_data, redetectors
        self._baselines, self._perceptual_metric = baselines, perceptual_metric
        num_frames = sum(frame_range.num_frames for frame_range in frame_ranges)
        num_images = 2 * num_frames
        if baselines is not None:
            num_images += sum(map(baselines.count_images, frame_ranges))
        has_latent = isinstance(model.generator, BicycleGenerator)
        num_images += has_latent * len(STYLE_ROWS) * num_frames
        self._generation = FrameProgress("evaluate", num_frames * (1 + has_latent * NUM_GENERATIONS), emit)
        detection_emit = emit if redetectors else ignore_events
        self._detection = FrameProgress("detect", num_images * len(redetectors), detection_emit)

    def measure_clip(self, frame_range: FrameRange) -> dict[str, MetricMeans]:
        """The metrics of each row; the images of one row are in memory at a time, and the real frames."""
        num_given_frames = self._model.initial_frame.num_given_frames
        clip = self._load_clip(frame_range._replace(start=frame_range.start - num_given_frames))
        real_frames = clip.frames[0, num_given_frames:]
        clip_metrics = ClipMetrics(
            self._training_data,
            frame_range,
            real_frames,
            redetectors=self._redetectors,
            perceptual_metric=self._perceptual_metric,
            on_detection=self._detection.advance,
        )
        rows = {MODEL: clip_metrics.measure(_generate_images(self._model, clip, self._generation.advance))}
        if isinstance(self._model.generator, BicycleGenerator):
            styles = StyleMetrics(
                self._model.generator, self._model.runtime, self._perceptual_metric, self._generation.advance
            )
            diversity, style_rows = styles.measure(clip.conditions, real_frames, clip_metrics)
            rows = {MODEL: rows[MODEL] | diversity, **style_rows}
        if self._baselines is not None:
            for name, images in self._baselines.iterate_images(frame_range, real_frames):
                rows[name] = clip_metrics.measure(images)
        return rows | {REAL: clip_metrics.measure(real_frames)}

    def _load_clip(self, frame_range: FrameRange) -> ClipBatch:
        style_bank, reference_bank = self._model.metadata.style_bank, self._model.reference_bank
        return load_clip(
            self._training_data.dataset,
            self._training_data.conditioners,
            ClipSpec(self._training_data.view, frame_range),
            thing_class_ids=style_bank.thing_class_ids if style_bank is not None else None,
            reference_source=None if reference_bank is None else ReferenceSource(reference_bank),
        )


def _generate_images(model: LoadedModel, clip: ClipBatch, on_frame: Callable[[], None]) -> Tensor:
    """The generated frames (t, 3, h, w) of a clip, without the given frames of a published start."""
    num_given_frames = model.initial_frame.num_given_frames
    num_first_frames = max(1, num_given_frames)
    first_conditions = clip.conditions[:, :num_first_frames].to(model.runtime.device).float()
    with torch.inference_mode(), model.runtime.autocast():
        initial_frames = model.initial_frame(clip.frames[:, :num_first_frames].unbind(1), first_conditions.unbind(1))
    conditions = apply_styles(clip, model.style_assigner)
    outputs = generate_clip(
        model.sequential_generator,
        conditions,
        model.runtime,
        initial_frames,
        references=clip.references,
        num_given_frames=num_given_frames,
        on_frame=lambda _: on_frame(),
    )
    return torch.cat([output.image.cpu().float() for output in outputs])
