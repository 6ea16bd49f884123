"""`evaluate` of a model that predicts frames: clips of a split are continued and compared with what follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.clip_sampler import load_clip
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.engine.events import EventHandler, FrameProgress
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.prediction import continue_clip
from vid2vid_cli.evaluation.baselines import COPY_LAST
from vid2vid_cli.evaluation.measured import Measured
from vid2vid_cli.evaluation.perceptual import choose_perceptual_metric
from vid2vid_cli.evaluation.prediction_metrics import CONSTANT_FLOW, measure_samples
from vid2vid_cli.evaluation.recorder import ComparisonRecorder
from vid2vid_cli.evaluation.result import REAL, EvaluatedClip, Evaluation
from vid2vid_cli.networks.savp import SavpGenerator
from vid2vid_cli.pipelines.evaluated_models import AnyEvaluateRequest, EvaluatedModel, row_name
from vid2vid_cli.rendering.forecast_input import forecast_ranges
from vid2vid_cli.rendering.loaded_model import LoadedModel, load_model
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
    request: AnyEvaluateRequest,
    models: Sequence[EvaluatedModel],
    emit: EventHandler,
    recorder: ComparisonRecorder | None = None,
) -> Evaluation:
    """Continue consecutive clips of a split of the dataset and measure the samples, see `measure_samples`.

    Raises ConfigError (samples of a deterministic model, models of different known frames) and TooFewFramesError.
    """
    data = models[0].data
    loaded, generators = _load_generators(request, models)
    first = generators[models[0].name]
    num_samples = {
        model.name: check_num_samples(request.num_samples, NUM_SAMPLES, generators[model.name], model.checkpoint.path)
        for model in models
    }
    num_frames = NUM_FRAMES if request.num_frames is None else request.num_frames
    ranges = forecast_ranges(data, request.split, num_context_frames=first.past_frames, num_frames=num_frames)
    trained_with = {str(m.checkpoint.metadata.training.get("perceptual_network", "")) for m in models}
    metric, not_computed = choose_perceptual_metric(trained_with, loaded[models[0].name].runtime.device, emit)
    progress = FrameProgress("evaluate", num_frames * len(ranges) * len(models), emit)
    clips = []
    for frame_range in ranges:
        known, real = _load_frames(data, frame_range, first.past_frames)
        rows: dict[str, Measured] = {}
        panels = {REAL: list(map(to_uint8_image, real))}
        for name, generator in generators.items():
            sampled = continue_clip(generator, known, range(num_samples[name]), loaded[name].runtime)
            samples = torch.stack(_count(islice(sampled, num_frames), progress))
            panels[f"{name}, sample 1"] = list(map(to_uint8_image, samples[:, 0]))
            has_baselines = request.baselines and name == models[-1].name
            measured = measure_samples(samples, known, real, metric, baselines=has_baselines)
            rows |= {_row_name(name, row): values for row, values in measured.items()}
        clip_name = data.dataset.manifest.clips[frame_range.clip_index].name
        measured_range = frame_range._replace(start=frame_range.stop - num_frames)
        clips.append(EvaluatedClip(clip_name, measured_range, rows))
        if recorder is not None:
            recorder.add_clip(clips[-1], panels, list(generators))
    return Evaluation(
        {model.name: model.checkpoint.path for model in models},
        clips,
        style_rows=[row_name(name, f"best_of_{number}") for name, number in num_samples.items()],
        not_computed=not_computed,
        baseline=COPY_LAST,
        baseline_name="the last known frame, repeated,",
        render_command="predict",
    )


def _load_generators(
    request: AnyEvaluateRequest, models: Sequence[EvaluatedModel]
) -> tuple[dict[str, LoadedModel], dict[str, SavpGenerator]]:
    loaded = {model.name: load_model(model.checkpoint, request.device, request.precision) for model in models}
    generators: dict[str, SavpGenerator] = {}
    for name, model in loaded.items():
        assert isinstance(model.generator, SavpGenerator)
        generators[name] = model.generator
    return loaded, generators


def _load_frames(data: TrainingData, frame_range: FrameRange, num_known: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The known frames, and the real ones that follow."""
    frames = load_clip(data.dataset, data.conditioners, ClipSpec(data.view, frame_range)).frames[0]
    return frames[:num_known], frames[num_known:]


def _count(samples: Iterator[torch.Tensor], progress: FrameProgress) -> list[torch.Tensor]:
    frames = []
    for sample in samples:
        frames.append(sample)
        progress.advance()
    return frames


def _row_name(model: str, row: str) -> str:
    """The name of a row; the baselines are those of all models."""
    return row if row in (COPY_LAST, CONSTANT_FLOW) else row_name(model, row)
