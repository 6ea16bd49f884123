"""`evaluate` of unpaired models, whose frames have no real counterpart."""

from __future__ import annotations

from collections.abc import Sequence

from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.clip_sampler import load_clip
from vid2vid_cli.engine.events import EventHandler, FrameProgress
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.evaluation.clip_metrics import measured_ranges
from vid2vid_cli.evaluation.measured import Measured
from vid2vid_cli.evaluation.recorder import ComparisonRecorder
from vid2vid_cli.evaluation.result import REAL, EvaluatedClip, Evaluation
from vid2vid_cli.evaluation.translation_metrics import TranslationMetrics
from vid2vid_cli.networks.translation import TranslationGenerator
from vid2vid_cli.pipelines.evaluated_models import AnyEvaluateRequest, EvaluatedModel
from vid2vid_cli.rendering.loaded_model import load_model


def evaluate_translation(
    request: AnyEvaluateRequest,
    models: Sequence[EvaluatedModel],
    emit: EventHandler,
    recorder: ComparisonRecorder | None = None,
) -> Evaluation:
    """Measure the models and the real frames; see `TranslationMetrics`."""
    data = models[0].data
    loaded = {
        model.name: load_model(model.checkpoint, request.device, request.precision).with_direction(
            request.direction, emit
        )
        for model in models
    }
    frame_ranges = measured_ranges(data, request.split, num_given_frames=0)
    num_frames = sum(frame_range.num_frames for frame_range in frame_ranges)
    progress = FrameProgress("evaluate", len(models) * num_frames, emit)
    clips = []
    for frame_range in frame_ranges:
        clip = load_clip(data.dataset, data.conditioners, ClipSpec(data.view, frame_range))
        metrics = TranslationMetrics(clip.frames[0])
        rows: dict[str, Measured] = {}
        panels = {REAL: list(map(to_uint8_image, clip.frames[0]))}
        for name, model in loaded.items():
            assert isinstance(model.generator, TranslationGenerator)
            rows[name], translated = metrics.measure(model.generator, model.runtime, progress.advance)
            panels[name] = list(map(to_uint8_image, translated))
        rows[REAL] = metrics.measure_real()
        name = data.dataset.manifest.clips[frame_range.clip_index].name
        clips.append(EvaluatedClip(name, frame_range, rows))
        if recorder is not None:
            recorder.add_clip(clips[-1], panels, list(loaded))
    return Evaluation({model.name: model.checkpoint.path for model in models}, clips)
