"""`evaluate` of models that render conditions: generated frames, baselines and real frames by the same functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.clip_sampler import load_clip
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.data.reference_selection import ReferenceSource
from vid2vid_cli.engine.events import EventHandler, FrameProgress, ignore_events
from vid2vid_cli.engine.inference import generate_clip, to_uint8_image
from vid2vid_cli.engine.styles import apply_styles
from vid2vid_cli.evaluation.baselines import COPY_LAST, NEAREST, Baselines, find_baselines, report_baselines
from vid2vid_cli.evaluation.clip_metrics import MIN_DRIFT_FRAMES, ClipMetrics, measured_ranges
from vid2vid_cli.evaluation.extra_metrics import ExtraMetrics, load_extra_metrics
from vid2vid_cli.evaluation.measured import Measured
from vid2vid_cli.evaluation.perceptual import PerceptualMetric, choose_perceptual_metric
from vid2vid_cli.evaluation.recorder import ComparisonRecorder
from vid2vid_cli.evaluation.redetection import Detections, detect_images, load_redetectors
from vid2vid_cli.evaluation.result import CONDITION, REAL, EvaluatedClip, Evaluation
from vid2vid_cli.evaluation.set_metrics import set_results
from vid2vid_cli.evaluation.style_metrics import NUM_GENERATIONS, STYLE_ROWS, StyleMetrics
from vid2vid_cli.networks.bicyclegan import BicycleGenerator
from vid2vid_cli.pipelines.evaluated_models import (
    AnyEvaluateRequest,
    EvaluatedModel,
    condition_images,
    metric_units,
    row_name,
)
from vid2vid_cli.rendering.loaded_model import LoadedModel, load_model
from vid2vid_cli.requests.render import StyleOptions

Panels = dict[str, list[ImageArray]]


def evaluate_paired(
    request: AnyEvaluateRequest,
    models: Sequence[EvaluatedModel],
    emit: EventHandler,
    recorder: ComparisonRecorder | None = None,
) -> Evaluation:
    """Measure the models, and if requested the baselines, on the same frames; see `ClipMetrics`, `StyleMetrics`."""
    loaded = {model.name: _load(request, model, emit) for model in models}
    num_given_frames = max(model.initial_frame.num_given_frames for model in loaded.values())
    data, first = models[0].data, models[0].checkpoint.metadata
    frame_ranges = measured_ranges(data, request.split, num_given_frames)
    device = next(iter(loaded.values())).runtime.device
    extra_metrics = load_extra_metrics(
        request.extra_metrics,
        device,
        (data.view.height, data.view.width),
        fps=float(data.dataset.fps),
        conditioners=data.conditioners,
    )
    if max(frame_range.num_frames for frame_range in frame_ranges) < MIN_DRIFT_FRAMES:
        extra_metrics.not_computed["colour_drift"] = f"no clip has {MIN_DRIFT_FRAMES} frames"
    redetectors = load_redetectors(first.conditioners, emit)
    baselines = None
    if request.baselines:
        baselines = find_baselines(data, frame_ranges, split=request.split, emit=emit)
        for model in models:
            report_baselines(baselines, model.data, model.checkpoint.metadata, emit)
    trained_with = {str(m.checkpoint.metadata.training.get("perceptual_network", "")) for m in models}
    perceptual_metric, not_computed = choose_perceptual_metric(trained_with, device, emit)
    measurement = _PairedMeasurement(
        models,
        loaded,
        redetectors,
        baselines,
        perceptual_metric=perceptual_metric,
        extra_metrics=extra_metrics,
        frame_ranges=frame_ranges,
        recorder=recorder,
        emit=emit,
    )
    clips = [measurement.measure_clip(frame_range) for frame_range in frame_ranges]
    set_values, problems = set_results(extra_metrics.sets, REAL, emit)
    return Evaluation(
        {model.name: model.checkpoint.path for model in models},
        clips,
        style_rows=measurement.style_rows,
        set_values=set_values,
        not_computed={**not_computed, **extra_metrics.not_computed, **problems},
        units=metric_units(models),
    )


def _load(request: AnyEvaluateRequest, model: EvaluatedModel, emit: EventHandler) -> LoadedModel:
    loaded = load_model(model.checkpoint, request.device, request.precision)
    return loaded.with_options(StyleOptions(), request.initial_frame, has_real_frames=True, emit=emit)


class _PairedMeasurement:
    """Measures models, baselines and real frames, one clip at a time."""

    def __init__(
        self,
        models: Sequence[EvaluatedModel],
        loaded: Mapping[str, LoadedModel],
        redetectors: Sequence[Conditioner],
        baselines: Baselines | None,
        *,
        perceptual_metric: PerceptualMetric | None,
        extra_metrics: ExtraMetrics,
        frame_ranges: Sequence[FrameRange],
        recorder: ComparisonRecorder | None,
        emit: EventHandler,
    ) -> None:
        self._recorder, self._extra_metrics = recorder, extra_metrics
        self._models, self._loaded, self._redetectors = models, loaded, redetectors
        self._baselines, self._perceptual_metric = baselines, perceptual_metric
        num_frames = sum(frame_range.num_frames for frame_range in frame_ranges)
        styled = [name for name, model in loaded.items() if isinstance(model.generator, BicycleGenerator)]
        self.style_rows = [row_name(name, row) for name in styled for row in STYLE_ROWS]
        num_images = num_frames * (len(models) + len(self.style_rows) + 1)
        num_detections = num_images
        if baselines is not None:
            num_images += sum(map(baselines.count_images, frame_ranges))
            # The images of COPY_LAST are real frames, whose detections are used twice.
            num_detections += num_frames * baselines.num_training_rows + sum(r.start > 0 for r in frame_ranges)
        num_generations = len(models) + len(styled) * NUM_GENERATIONS
        self._generation = FrameProgress("evaluate", num_frames * num_generations, emit)
        self._measured = FrameProgress("measure", num_images, emit)
        detection_emit = emit if redetectors else ignore_events
        self._detection = FrameProgress("detect", num_detections * len(redetectors), detection_emit)

    def measure_clip(self, frame_range: FrameRange) -> EvaluatedClip:
        """The metrics of each row; the images of one row are in memory at a time, and the real frames.

        With a recorder, the images of all panels are kept as uint8 until the end of the clip.
        """
        data = self._models[0].data
        clips = {model.name: self._load_clip(model, frame_range) for model in self._models}
        real_frames = next(iter(clips.values())).frames[0, -frame_range.num_frames :]
        metrics = ClipMetrics(
            data,
            frame_range,
            real_frames,
            redetectors=self._redetectors,
            perceptual_metric=self._perceptual_metric,
            extra_metrics=self._extra_metrics,
            on_detection=self._detection.advance,
            on_frame=self._measured.advance,
        )
        rows: dict[str, Measured] = {}
        panels = {REAL: _to_images(real_frames)} if self._recorder is not None else {}
        for name, clip in clips.items():
            rows |= self._measure_model(name, clip, real_frames, metrics, panels)
        rows |= self._measure_real(frame_range, real_frames, metrics, panels)
        clip_name = data.dataset.manifest.clips[frame_range.clip_index].name
        evaluated = EvaluatedClip(clip_name, frame_range, rows)
        if self._recorder is not None:
            shown = {REAL: panels.pop(REAL), CONDITION: condition_images(data, frame_range)}
            shown |= {NEAREST: panels.pop(NEAREST)} if NEAREST in panels else {}
            self._recorder.add_clip(evaluated, shown | panels, list(clips))
        return evaluated

    def _measure_model(
        self, name: str, clip: ClipBatch, real_frames: Tensor, metrics: ClipMetrics, panels: Panels
    ) -> dict[str, Measured]:
        model = self._loaded[name]
        images = generate_images(model, clip, self._generation.advance)[-len(real_frames) :]
        if self._recorder is not None:
            panels[name] = _to_images(images)
        measured = self._measure(name, images, metrics)
        style_rows: dict[str, Measured] = {}
        if isinstance(model.generator, BicycleGenerator):
            styles = StyleMetrics(model.generator, model.runtime, self._perceptual_metric, self._generation.advance)
            conditions = clip.conditions[:, -len(real_frames) :]
            diversity, style_rows = styles.measure(conditions, real_frames, metrics)
            measured |= diversity
        return {name: measured, **{row_name(name, row): values for row, values in style_rows.items()}}

    def _measure_real(
        self, frame_range: FrameRange, real_frames: Tensor, metrics: ClipMetrics, panels: Panels
    ) -> dict[str, Measured]:
        """The rows of the baselines and of the real frames, which are annotated once for two rows."""
        rows: dict[str, Measured] = {}
        detections = None
        if self._baselines is not None:
            for name, images in self._baselines.iterate_images(frame_range, real_frames):
                if name == COPY_LAST:
                    has_frame_before = len(images) == len(real_frames)
                    detected = torch.cat([images[:1], real_frames]) if has_frame_before else real_frames
                    found = detect_images(self._redetectors, detected, self._detection.advance)
                    detections = [items[-len(real_frames) :] for items in found]
                    rows[name] = self._measure(name, images, metrics, [items[:-1] for items in found])
                else:
                    rows[name] = self._measure(name, images, metrics)
                if name == NEAREST and self._recorder is not None:
                    panels[name] = _to_images(images)
        return rows | {REAL: self._measure(REAL, real_frames, metrics, detections)}

    def _measure(
        self, row: str, images: Tensor, metrics: ClipMetrics, detections: Detections | None = None
    ) -> Measured:
        """The metrics of the images, which also become a part of the row's set."""
        for set_metrics in self._extra_metrics.sets:
            set_metrics.add(row, images)
        return metrics.measure(images, detections)

    def _load_clip(self, model: EvaluatedModel, frame_range: FrameRange) -> ClipBatch:
        """The clip from the given frames of the model on."""
        loaded = self._loaded[model.name]
        start = frame_range.start - loaded.initial_frame.num_given_frames
        style_bank, reference_bank = loaded.metadata.style_bank, loaded.reference_bank
        return load_clip(
            model.data.dataset,
            model.data.conditioners,
            ClipSpec(model.data.view, frame_range._replace(start=start)),
            thing_class_ids=style_bank.thing_class_ids if style_bank is not None else None,
            reference_source=None if reference_bank is None else ReferenceSource(reference_bank),
        )


def _to_images(frames: Tensor) -> list[ImageArray]:
    return list(map(to_uint8_image, frames))


def generate_images(model: LoadedModel, clip: ClipBatch, on_frame: Callable[[], None]) -> Tensor:
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
