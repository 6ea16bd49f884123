"""Where `train --log` writes the values of a training: TensorBoard, Weights & Biases, Trackio and CSV files."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Protocol

from vid2vid_cli.config.resolve import flatten_settings
from vid2vid_cli.core.errors import MissingPackageError
from vid2vid_cli.core.log_names import LogName
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.media.files import atomic_write, write_text
from vid2vid_cli.media.images import load_image

PROJECT_NAME = "vid2vid"
CSV_FILE_NAME, TENSORBOARD_FOLDER_NAME, LOG_NAME_FILE_NAME = "metrics.csv", "tensorboard", "log_name.txt"
SAMPLES_TAG = "samples"
QUALITY_TAG = "quality"
Settings = Mapping[str, str | bool | float]


class MetricWriter(Protocol):
    """Writes the values of one training. A resumed training opens it again with the step that it continues from."""

    description: str
    """What to open, such as a file or a command."""
    keeps_values: bool
    """Whether values of earlier steps stay, so that steps that a resumed training repeats must not be written again."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write values by name; several calls for one step add up."""

    def write_image(self, step: int, path: Path) -> None:
        """Write the sample sheet in the file `path`."""

    def close(self) -> None:
        """Write what is buffered."""


class TensorBoardWriter:
    """Event files in the folder `tensorboard` of the run."""

    keeps_values = False  # TensorBoard leaves out what it has from the step that a resumed training starts with

    def __init__(self, run: RunFolder, settings: Settings, resumed_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        folder = run.path / TENSORBOARD_FOLDER_NAME
        self.description = f"tensorboard --logdir {folder}"
        self._writer = SummaryWriter(str(folder), purge_step=resumed_step + 1 if resumed_step else None)
        file_writer: Any = self._writer.file_writer
        for summary in hparams(dict(settings), {QUALITY_TAG: 0.0}):  # type: ignore[no-untyped-call]
            file_writer.add_summary(summary)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """As in MetricWriter."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def write_image(self, step: int, path: Path) -> None:
        """As in MetricWriter."""
        self._writer.add_image(SAMPLES_TAG, load_image(path), step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """As in MetricWriter."""
        self._writer.close()


class CsvWriter:
    """One line per step in `metrics.csv` of the run; a value that first appears later adds a column."""

    keeps_values = False

    def __init__(self, run: RunFolder, settings: Settings, resumed_step: int) -> None:
        self._path = run.path / CSV_FILE_NAME
        self.description = str(self._path)
        self._columns = ["step"]
        self._row: dict[str, object] = {}
        self._row_start = 0
        """Position of the last line in the file, in bytes."""
        self._rewrite([row for row in self._read_rows() if row["step"].isdigit() and int(row["step"]) <= resumed_step])

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """As in MetricWriter."""
        if self._row.get("step") != step:
            self._row, self._row_start = {"step": step}, self._path.stat().st_size
        self._row |= values
        if new_columns := [name for name in self._row if name not in self._columns]:
            earlier_rows = [row for row in self._read_rows() if row["step"] != str(step)]
            self._columns += new_columns
            self._rewrite(earlier_rows)
            self._row_start = self._path.stat().st_size
        with self._path.open("r+", newline="", encoding="utf-8") as file:
            file.seek(self._row_start)
            file.truncate()
            csv.DictWriter(file, self._columns).writerow(self._row)

    def write_image(self, step: int, path: Path) -> None:
        """Nothing: the sample sheets are files already."""

    def close(self) -> None:
        """Nothing: every step is in the file already."""

    def _read_rows(self) -> list[dict[str, str]]:
        if not self._path.is_file():
            return []
        with self._path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            self._columns = list(reader.fieldnames or self._columns)
            return list(reader)

    def _rewrite(self, rows: Sequence[Mapping[str, object]]) -> None:
        def write(path: Path) -> None:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, self._columns)
                writer.writeheader()
                writer.writerows(rows)

        atomic_write(self._path, write)


class WandbWriter:
    """A run of Weights & Biases, in the project of WANDB_PROJECT or `vid2vid`. WANDB_MODE=offline: local files."""

    keeps_values = True

    def __init__(self, run: RunFolder, settings: Settings, resumed_step: int) -> None:
        import wandb

        self._library = wandb
        with redirect_stdout(sys.stderr):
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT_NAME),
                name=run.name,
                id=_log_name(run),
                dir=str(run.path),
                config=dict(settings),
                resume="allow",
            )
        self.description = self._run.url or f"wandb sync {self._run.dir.removesuffix('/files')}"

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """As in MetricWriter."""
        self._run.log(dict(values), step=step)

    def write_image(self, step: int, path: Path) -> None:
        """As in MetricWriter."""
        self._run.log({SAMPLES_TAG: self._library.Image(str(path))}, step=step)

    def close(self) -> None:
        """As in MetricWriter."""
        with redirect_stdout(sys.stderr):
            self._run.finish()


class TrackioWriter:
    """A run of Trackio's local database, in the project `vid2vid`."""

    keeps_values = True

    def __init__(self, run: RunFolder, settings: Settings, resumed_step: int) -> None:
        import trackio

        self._library = trackio
        with redirect_stdout(sys.stderr):
            self._run = trackio.init(project=PROJECT_NAME, name=_log_name(run), config=dict(settings), resume="allow")
        self.description = f"trackio show --project {PROJECT_NAME}"

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """As in MetricWriter."""
        self._run.log(dict(values), step=step)

    def write_image(self, step: int, path: Path) -> None:
        """As in MetricWriter."""
        self._run.log({SAMPLES_TAG: self._library.Image(str(path))}, step=step)

    def close(self) -> None:
        """As in MetricWriter."""
        with redirect_stdout(sys.stderr):
            self._library.finish()


WRITERS: dict[LogName, type[TensorBoardWriter | CsvWriter | WandbWriter | TrackioWriter]] = {
    "tensorboard": TensorBoardWriter,
    "wandb": WandbWriter,
    "trackio": TrackioWriter,
    "csv": CsvWriter,
}


def check_log_packages(names: Sequence[str]) -> None:
    """Raise MissingPackageError if the package of a writer is not installed. `csv` needs none."""
    for name in names:
        if name != "csv" and importlib.util.find_spec(name) is None:
            raise MissingPackageError(
                f"--log {name} requires the package {name}, which is not installed.",
                f'pip install "vid2vid-cli[{name}]"',
            )


def hyperparameters(settings: Mapping[str, Any]) -> Settings:
    """Nested settings as dotted keys with values of the types that all writers accept; others are JSON text."""
    return {
        key: value if isinstance(value, str | bool | float | int) else json.dumps(value)
        for key, value in flatten_settings(settings)
    }


def _log_name(run: RunFolder) -> str:
    """A name of the run that no other run of the same folder name has, stored for the resumed training."""
    path = run.path / LOG_NAME_FILE_NAME
    if not path.is_file():
        write_text(path, f"{run.name}-{secrets.token_hex(4)}\n")
    return path.read_text(encoding="utf-8").strip()
