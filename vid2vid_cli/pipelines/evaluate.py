"""`evaluate`: measures checkpoints, and the baselines that they must surpass, on the frames of a dataset split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vid2vid_cli.config.config import UNPAIRED_MODELS
from vid2vid_cli.engine.events import ArtifactEvent, EventHandler, WarningRecorder
from vid2vid_cli.engine.hub import is_hub_reference
from vid2vid_cli.evaluation.output_files import (
    METRICS_FILE_NAME,
    choose_evaluation_folder,
    delete_report,
    write_metrics,
)
from vid2vid_cli.evaluation.recorder import ComparisonRecorder
from vid2vid_cli.evaluation.report import write_evaluation_report
from vid2vid_cli.evaluation.result import EvaluateResult, Evaluation, summarize
from vid2vid_cli.pipelines.evaluate_paired import evaluate_paired
from vid2vid_cli.pipelines.evaluate_prediction import evaluate_prediction
from vid2vid_cli.pipelines.evaluate_translation import evaluate_translation
from vid2vid_cli.pipelines.evaluated_models import AnyEvaluateRequest, EvaluatedModel, metric_units, open_models
from vid2vid_cli.reports.report import REPORT_FILE_NAME
from vid2vid_cli.requests.measure import EvaluateModelsRequest, EvaluateRequest

__all__ = ["EvaluateModelsRequest", "EvaluateRequest", "EvaluateResult", "evaluate"]


def evaluate(request: AnyEvaluateRequest, on_event: EventHandler) -> EvaluateResult:
    """Generate the frames of a split from their conditions and compare them with the real frames.

    `psnr` (dB) and `ssim`: means over frames. `sharpness`: see `metrics.image`. `warping_error`, `warping_error_real`:
    RMS difference in [0, 1] between frames that are aligned by the flow of the real clip; `own_warping_error`: by that
    of the generated frames. See `redetection_errors` for
    the metrics of the conditioners, `load_extra_metrics` for those of `--metric`, `choose_perceptual_metric` for the
    perceptual distance, and `Baselines` for the baselines, to which the same functions are applied.
    An unpaired model has no frames to compare with: see `TranslationMetrics`; for one that predicts frames see
    `evaluate_prediction`.
    A model with styles uses the most common style of each class; one with a style per video is also measured by
    `StyleMetrics`.

    Writes `metrics.json`, `frames.csv` and, by default, a report. Raises the errors of `open_models` and
    `choose_evaluation_folder`.
    """
    emit = WarningRecorder(on_event)
    models, data = open_models(request, emit)
    checkpoints = [model.checkpoint for model in models]
    folder = choose_evaluation_folder(
        request.out,
        [item.path for item in checkpoints],
        overwrite=request.overwrite,
        is_downloaded=any(map(is_hub_reference, request.checkpoints)),
    )
    path = folder / METRICS_FILE_NAME
    if not request.report:
        result = summarize(path, data, _measure(request, models, emit, None))
        delete_report(folder)  # of other numbers
        write_metrics(result, request.split)
        return result
    with ComparisonRecorder(folder, models[0].data.dataset.fps, metric_units(models)) as recorder:
        result = summarize(path, data, _measure(request, models, emit, recorder))
    result = replace(result, report_path=folder / REPORT_FILE_NAME)
    write_metrics(result, request.split)
    trainings = {model.name: model.checkpoint.metadata.training for model in models}
    write_evaluation_report(result, request, trainings, recorder, emit.warnings)
    emit(ArtifactEvent(str(result.report_path), "report"))
    return result


def _measure(
    request: AnyEvaluateRequest,
    models: Sequence[EvaluatedModel],
    emit: EventHandler,
    recorder: ComparisonRecorder | None,
) -> Evaluation:
    """Measure the models by their kind."""
    metadata = models[0].checkpoint.metadata
    if metadata.generator.target == "future_frames":
        return evaluate_prediction(request, models, emit, recorder)
    if metadata.model in UNPAIRED_MODELS:
        return evaluate_translation(request, models, emit, recorder)
    return evaluate_paired(request, models, emit, recorder)
