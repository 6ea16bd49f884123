"""`evaluate` of a model that predicts frames: clips of a split are continued and compared with what follows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import torch

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.json_values import to_json_value
from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.clip_sampler import load_clip
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.engine.events import EventHandler, FrameProgress
from vid2vid_cli.engine.prediction import continue_clip
from vid2vid_cli.evaluation.perceptual import choose_perceptual_metric
from vid2vid_cli.evaluation.prediction_metrics import COPY_LAST, MODEL, measure_samples
from vid2vid_cli.evaluation.redetection import MetricMeans
from vid2vid_cli.evaluation.result import EvaluateResult, combine_clips
from vid2vid_cli.media.files import write_text
from vid2vid_cli.networks.savp import SavpGenerator
from vid2vid_cli.rendering.forecast_input import forecast_ranges
from vid2vid_cli.rendering.loaded_model import CheckpointFile, LoadedModel, load_model
from vid2vid_cli.requests.measure import EvaluateRequest
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint
from vid2vid_cli.training_data.training_data import TrainingData

NUM_SAMPLES, NUM_FRAMES = 20, 10


def check_num_samples(requested: int | None, default: int, generator: SavpGenerator, path: Path) -> int:
    """The number of samples. Raises ConfigError if several samples of a deterministic model are requested."""
    if generator.latent_channels:
        return default if requested is None else requested
    if requested is not None and requested > 1:
        raise ConfigError(
            f"--samples {requested}: {path} is deterministic (generator.latent_channels=0), so all samples are equal.",
            "Leave it out, or train a model with latents.",
        )
    return 1


def evaluate_prediction(
    request: EvaluateRequest, checkpoint: CheckpointFile, folder: Path, *, emit: EventHandler
) -> EvaluateResult:
    """Continue consecutive clips of a split of the dataset `folder` and measure the samples, see `measure_samples`.

    Raises ConfigError (an option of other models, samples of a deterministic model) and TooFewFramesError.
    """
    for name, value in (("--direction", request.direction), ("--initial-frame", request.initial_frame)):
        if value is not None:
            raise ConfigError(f"{name} {value}: {checkpoint.path} (model=savp) continues real frames.", "Leave it out.")
    model = load_model(checkpoint, request.device, request.precision)
    assert isinstance(model.generator, SavpGenerator)
    num_samples = check_num_samples(request.num_samples, NUM_SAMPLES, model.generator, checkpoint.path)
    data = open_data_for_checkpoint(folder, model.metadata, checkpoint.path)
    num_frames = NUM_FRAMES if request.num_frames is None else request.num_frames
    ranges = forecast_ranges(data, request.split, num_context_frames=model.generator.past_frames, num_frames=num_frames)
    trained_with = model.metadata.training.get("perceptual_network", "")
    metric, not_computed = choose_perceptual_metric(trained_with, model.runtime.device, emit)
    rows_per_clip: list[Mapping[str, MetricMeans]] = []
    progress = FrameProgress("evaluate", num_frames * len(ranges), emit)
    for frame_range in ranges:
        known, real, samples = _predict_range(model, model.generator, data, frame_range, num_samples)
        rows = measure_samples(samples, known, real, metric)
        rows_per_clip.append(rows if request.baselines else _without_baselines(rows))
        for _ in range(num_frames):
            progress.advance()
    return _write_result(request, checkpoint, folder, rows_per_clip, not_computed=not_computed, num_frames=num_frames)


def _predict_range(
    model: LoadedModel, generator: SavpGenerator, data: TrainingData, frame_range: FrameRange, num_samples: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The known frames, the real ones that follow, and their samples."""
    frames = load_clip(data.dataset, data.conditioners, ClipSpec(data.view, frame_range)).frames[0]
    known, real = frames[: generator.past_frames], frames[generator.past_frames :]
    predicted = islice(continue_clip(generator, known, range(num_samples), model.runtime), len(real))
    return known, real, torch.stack(list(predicted))


def _without_baselines(rows: Mapping[str, MetricMeans]) -> dict[str, MetricMeans]:
    return {name: metrics for name, metrics in rows.items() if name == MODEL or name.startswith("best_of_")}


def _write_result(
    request: EvaluateRequest,
    checkpoint: CheckpointFile,
    folder: Path,
    rows_per_clip: Sequence[Mapping[str, MetricMeans]],
    *,
    not_computed: Mapping[str, str],
    num_frames: int,
) -> EvaluateResult:
    out = request.out if request.out is not None else checkpoint.path.with_name("evaluation.json")
    result = combine_clips(
        out,
        folder,
        rows_per_clip,
        not_computed=not_computed,
        baseline=COPY_LAST,
        baseline_name="the last known frame, repeated,",
        render_command="predict",
    )
    record = {
        **{"checkpoint": str(checkpoint.path), "data": str(folder), "split": request.split},
        **{"num_frames": num_frames * len(rows_per_clip), "num_clips": len(rows_per_clip)},
        **result.metrics,
        "baselines": result.baselines,
        "deviations": result.deviations,
        "comparison": result.comparison,
        "not_computed": result.not_computed,
    }
    write_text(result.path, json.dumps(to_json_value(record), indent=1) + "\n")
    return result
