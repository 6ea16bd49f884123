"""`evaluate`: measures checkpoints, and the baselines that they must surpass, on the frames of a dataset split."""

from __future__ import annotations

from vid2vid_cli.config.config import UNPAIRED_MODELS
from vid2vid_cli.engine.events import EventHandler
from vid2vid_cli.evaluation.output_files import METRICS_FILE_NAME, choose_evaluation_folder, write_metrics
from vid2vid_cli.evaluation.result import EvaluateResult, summarize
from vid2vid_cli.pipelines.evaluate_paired import evaluate_paired
from vid2vid_cli.pipelines.evaluate_prediction import evaluate_prediction
from vid2vid_cli.pipelines.evaluate_translation import evaluate_translation
from vid2vid_cli.pipelines.evaluated_models import AnyEvaluateRequest, open_models
from vid2vid_cli.requests.measure import EvaluateModelsRequest, EvaluateRequest

__all__ = ["EvaluateModelsRequest", "EvaluateRequest", "EvaluateResult", "evaluate"]


def evaluate(request: AnyEvaluateRequest, on_event: EventHandler) -> EvaluateResult:
    """Generate the frames of a split from their conditions and compare them with the real frames.

    `psnr` (dB) and `ssim`: means over frames. `sharpness`: see `metrics.image`. `warping_error`, `warping_error_real`:
    RMS difference in [0, 1] between frames that are aligned by the flow of the real clip. See `redetection_errors` for
    the metrics of the conditioners, `choose_perceptual_metric` for the perceptual distance, and `Baselines` for the
    baselines, to which the same functions are applied.
    An unpaired model has no frames to compare with: see `TranslationMetrics`; for one that predicts frames see
    `evaluate_prediction`.
    A model with styles uses the most common style of each class; one with a style per video is also measured by
    `StyleMetrics`. Writes `metrics.json` and `frames.csv`. Raises the errors of `open_models` and
    `choose_evaluation_folder`.
    """
    models, data = open_models(request, on_event)
    checkpoints = [model.checkpoint for model in models]
    folder = choose_evaluation_folder(request.out, [item.path for item in checkpoints], overwrite=request.overwrite)
    metadata = checkpoints[0].metadata
    if metadata.generator.target == "future_frames":
        evaluation = evaluate_prediction(request, models, on_event)
    elif metadata.model in UNPAIRED_MODELS:
        evaluation = evaluate_translation(request, models, on_event)
    else:
        evaluation = evaluate_paired(request, models, on_event)
    result = summarize(folder / METRICS_FILE_NAME, data, evaluation)
    write_metrics(result, request.split)
    return result
