"""The models of `evaluate`: their files and dataset, and whether they can stand in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.conditioning.combine import condition_image
from vid2vid_cli.config.config import UNPAIRED_MODELS
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.evaluation.baselines import COPY_LAST, NEAREST, NEAREST_ALIGNED
from vid2vid_cli.evaluation.own_dataset import find_own_dataset
from vid2vid_cli.evaluation.prediction_metrics import CONSTANT_FLOW
from vid2vid_cli.evaluation.result import CONDITION, MODEL, REAL
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile, check_direction, open_checkpoint
from vid2vid_cli.requests.measure import EvaluateModelsRequest, EvaluateRequest
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint
from vid2vid_cli.training_data.training_data import TrainingData

AnyEvaluateRequest = EvaluateRequest | EvaluateModelsRequest
RESERVED_NAMES = {MODEL, REAL, CONDITION, NEAREST, NEAREST_ALIGNED, COPY_LAST, CONSTANT_FLOW}
"""Rows and panels that are not those of one of several models."""


@dataclass(frozen=True)
class EvaluatedModel:
    """A checkpoint, the name of its row, and the dataset opened for it."""

    name: str
    checkpoint: CheckpointFile
    data: TrainingData


def open_models(request: AnyEvaluateRequest, emit: EventHandler) -> tuple[list[EvaluatedModel], Path]:
    """Open the checkpoints and the dataset, before any frame is generated.

    Raises ConfigError (models of different kinds, conditioners or frame sizes, or of different datasets; options that
    do not fit a model), DatasetMismatchError, and the errors of `open_checkpoint` and `open_data_for_checkpoint`.
    """
    paths, folder = _separate_dataset(request)
    checkpoints = [open_checkpoint(path, "frames", "future_frames") for path in paths]
    files = [checkpoint.path.resolve() for checkpoint in checkpoints]
    for index, file in enumerate(files):
        if file in files[:index]:
            raise ConfigError(f"{paths[index]} is given twice.", "Name each model once.")
    for checkpoint in checkpoints:
        _check_options(request, checkpoint)
        check_fits(checkpoint, checkpoints[0])
    folder = folder or _find_common_dataset(request, paths, checkpoints, emit)
    names = choose_names([checkpoint.path for checkpoint in checkpoints])
    data = [open_data_for_checkpoint(folder, checkpoint.metadata, checkpoint.path) for checkpoint in checkpoints]
    for checkpoint, model_data in zip(checkpoints, data, strict=True):
        if model_data.view != data[0].view:
            raise _mismatch_error("generate different parts of the frames", checkpoint, checkpoints[0])
    return [EvaluatedModel(*items) for items in zip(names, checkpoints, data, strict=True)], folder


def choose_names(paths: Sequence[Path]) -> list[str]:
    """The names of the rows: `model` for one, otherwise the file names, with as much of the path as they differ in."""
    if len(paths) == 1:
        return [MODEL]
    parts = [(*path.resolve().parent.parts, path.stem) for path in paths]
    for num_parts in range(1, max(map(len, parts))):
        names = ["/".join(path_parts[-num_parts:]) for path_parts in parts]
        if len(set(names)) == len(names) and not RESERVED_NAMES.intersection(names):
            return names
    return [str(path) for path in paths]


def metric_units(models: Sequence[EvaluatedModel]) -> dict[str, str]:
    """Metric of a conditioner -> unit."""
    return {name: unit for c in models[0].data.conditioners for name, unit in c.error_units.items()}


def condition_images(data: TrainingData, frame_range: FrameRange) -> list[ImageArray]:
    """The visualisations of the conditions of a range."""
    names = [conditioner.spec.name for conditioner in data.conditioners]
    annotations = zip(*(data.dataset.annotations([frame_range], name) for name in names), strict=True)
    return [condition_image(data.conditioners, items, data.views) for items in annotations]


def row_name(model: str, row: str) -> str:
    """The name in the table of a row of a model: `row` of a single model, otherwise with the model's name."""
    if model == MODEL:
        return row
    return model if row == MODEL else f"{model} {row}"


def check_fits(checkpoint: CheckpointFile, first: CheckpointFile) -> None:
    """Raise ConfigError if the frames of two models cannot be compared."""
    metadata, expected = checkpoint.metadata, first.metadata
    kinds = [_kind(item) for item in (checkpoint, first)]
    if kinds[0] != kinds[1]:
        raise _mismatch_error(f"{kinds[1]} and {kinds[0]}", checkpoint, first)
    if kinds[0] == "predict frames" and metadata.generator.past_frames != expected.generator.past_frames:
        raise _mismatch_error("continue different numbers of known frames", checkpoint, first)
    names, expected_names = ([c.name for c in item.conditioners] for item in (metadata, expected))
    if names != expected_names:
        raise _mismatch_error(
            f"have different conditioners ({' and '.join(expected_names)}; {' and '.join(names)})", checkpoint, first
        )
    if metadata.output_size != expected.output_size:
        sizes = [f"{width}x{height}" for height, width in (expected.output_size, metadata.output_size)]
        raise _mismatch_error(f"generate frames of different sizes ({'; '.join(sizes)} pixels)", checkpoint, first)


def _check_options(request: AnyEvaluateRequest, checkpoint: CheckpointFile) -> None:
    """Raise ConfigError for options of models of another kind."""
    path, model = checkpoint.path, checkpoint.metadata.model
    if request.extra_metrics and _kind(checkpoint) != "render conditions":
        raise ConfigError(
            f"--metric {next(iter(request.extra_metrics))}: {path} (model={model}) has metrics of its own.",
            "Leave it out. It is for models that render conditions.",
        )
    if checkpoint.metadata.generator.target == "future_frames":
        for name, value in (("--direction", request.direction), ("--initial-frame", request.initial_frame)):
            if value is not None:
                raise ConfigError(f"{name} {value}: {path} (model={model}) continues real frames.", "Leave it out.")
        return
    check_direction(checkpoint, request.direction)
    for name, number in (("--samples", request.num_samples), ("--frames", request.num_frames)):
        if number is not None:
            raise ConfigError(
                f"{name} {number}: {path} (model={model}) has no samples.", "Leave it out. It is for model=savp."
            )


def _kind(checkpoint: CheckpointFile) -> str:
    if checkpoint.metadata.generator.target == "future_frames":
        return "predict frames"
    return "translate frames" if checkpoint.metadata.model in UNPAIRED_MODELS else "render conditions"


def _mismatch_error(difference: str, checkpoint: CheckpointFile, first: CheckpointFile) -> ConfigError:
    return ConfigError(
        f"{first.path} and {checkpoint.path} {difference}; one table compares models of the same frames.",
        f"Evaluate each on its own: {shell_command('vid2vid', 'evaluate', checkpoint.path)}",
    )


def _separate_dataset(request: AnyEvaluateRequest) -> tuple[list[Path], Path | None]:
    """The checkpoints, and the dataset of the request, which may be among them."""
    datasets = [path for path in request.checkpoints if (path / MANIFEST_FILE_NAME).is_file()]
    checkpoints = [path for path in request.checkpoints if path not in datasets]
    if request.data is not None:
        datasets.append(request.data)
    if len(datasets) > 1:
        raise ConfigError(f"{' and '.join(map(str, datasets))} are datasets, and one is measured.", "Name one of them.")
    if not checkpoints:
        raise ConfigError(
            f"{datasets[0]} is a dataset, and no checkpoint is given.",
            f"Name a run or a checkpoint: vid2vid evaluate CKPT --data {datasets[0]}",
        )
    return checkpoints, datasets[0] if datasets else None


def _find_common_dataset(
    request: AnyEvaluateRequest, paths: Sequence[Path], checkpoints: Sequence[CheckpointFile], emit: EventHandler
) -> Path:
    """The dataset that all models were trained on. Raises ConfigError if they differ, as `find_own_dataset`."""
    folders = [
        find_own_dataset(path, checkpoint.path, checkpoint.metadata.training, direction=request.direction)
        for path, checkpoint in zip(paths, checkpoints, strict=True)
    ]
    for folder, path in zip(folders, paths, strict=True):
        if folder.resolve() != folders[0].resolve():
            raise ConfigError(
                f"{paths[0]} was trained on {folders[0]}, {path} on {folder}.",
                "Name the dataset whose frames are measured: --data DATASET",
            )
    emit(InfoEvent(f"dataset of the training: {folders[0]}, {request.split} frames"))
    return folders[0]
