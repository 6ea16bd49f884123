"""The dataset that a model was trained on, for `evaluate` without a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.data.dataset import DATASETS_FOLDER
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.engine.run_folder import CONFIG_FILE_NAME, RunFolder, find_run_dataset_b, find_run_datasets
from vid2vid_cli.requests.render import Direction


def find_own_dataset(
    path: Path, checkpoint: Path, training: Mapping[str, Any], *, direction: Direction | None = None
) -> Path:
    """The dataset of a checkpoint's training, for a run folder or file at `path`.

    It is that of the run whose folder contains the checkpoint, with --direction b2a that of domain B, otherwise
    datasets/NAME with the name in the checkpoint's `training`. Raises ConfigError for none, and as `find_run_datasets`.
    """
    key = "dataset_b" if direction == "b2a" else "dataset"
    name = str(training.get(key, ""))
    dataset = _find_in_run(checkpoint.parent, key, name) or DATASETS_FOLDER / name
    if not name or not (dataset / MANIFEST_FILE_NAME).is_file():
        looked_for = f"; {dataset} does not exist" if name else ""
        raise ConfigError(
            f"{checkpoint} is not in a run folder, so its dataset is unknown{looked_for}.",
            f"Name the dataset: {shell_command('vid2vid', 'evaluate', path, '--data', 'DATASET')}",
        )
    return dataset


def _find_in_run(folder: Path, key: str, name: str) -> Path | None:
    """The dataset that a run folder records, that of this name if there are several; None without a run."""
    if not (folder / CONFIG_FILE_NAME).is_file():
        return None
    run = RunFolder(folder)
    if key == "dataset_b":
        return find_run_dataset_b(run)
    datasets = find_run_datasets(run)
    return next((dataset for dataset in datasets if dataset.name == name), datasets[0])
