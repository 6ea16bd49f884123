"""The folder of a training run: creation, lookup, settings and locking."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.presets import read_yaml
from vid2vid_cli.config.resolve import config_from_mapping, dump_yaml
from vid2vid_cli.core.errors import ConfigError, MissingFileError, OutputExistsError, RunError
from vid2vid_cli.core.parsing import parse_json, shorten
from vid2vid_cli.core.paths import (
    MAX_NAME_BYTES,
    RESERVED_BYTES,
    check_output_parent,
    find_run_checkpoints,
    shell_command,
    shorten_name,
)
from vid2vid_cli.engine.folder_lock import acquire_folder_lock
from vid2vid_cli.engine.hub import fetch_checkpoint
from vid2vid_cli.media.files import unique_path, write_text
from vid2vid_cli.media.os_errors import write_error

RUNS_FOLDER = Path("runs")
CONFIG_FILE_NAME = "config.yaml"
RECORD_FILE_NAME = "run.json"
_NEW_RUN_HINT = "Start a new run: vid2vid train"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Data for resuming a run, in addition to its configuration."""

    dataset: str
    """Absolute path, so that the run can be resumed from any folder."""
    preset: str
    precision: Literal["fp32", "bf16", "fp16"]
    device: str
    more_datasets: tuple[str, ...] = ()
    """The paths of further datasets of the same training."""
    dataset_b: str = ""
    """The dataset of domain B of an unpaired model; "": none."""
    setting_origins: Mapping[str, str] = field(default_factory=dict)
    """Dotted key -> origin of each setting that is not a default."""
    licence: str = ""
    """Licence of the initial weights, which applies to the trained weights too; "": none."""


_RECORD_ADAPTER = TypeAdapter(RunRecord)


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the folder and of the checkpoint file."""
        return self.path.resolve().name

    @property
    def checkpoints(self) -> Path:
        """Folder of the training states."""
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        """Folder of the sample images."""
        return self.path / "samples"

    @property
    def checkpoint_path(self) -> Path:
        """The checkpoint for synthesis."""
        return self.path / f"{self.name}.ckpt"

    def load_config(self) -> Config:
        """The configuration. Raises RunError if it is missing or of another version, ConfigError if it is invalid."""
        path = self.path / CONFIG_FILE_NAME
        try:
            data = read_yaml(path, str(path))
            version = data["schema_version"]
        except (ConfigError, MissingFileError) as error:
            raise RunError(error.message, _NEW_RUN_HINT) from None
        except KeyError:
            raise RunError(f"{path} has no schema_version", _NEW_RUN_HINT) from None
        current_version = Config().schema_version
        if version != current_version:
            message = f"{path} has schema_version {shorten(version)}; this version of vid2vid reads {current_version}"
            raise RunError(message, _NEW_RUN_HINT)
        if isinstance(data.get("data"), dict):
            data["data"].setdefault("size_rule", "height")  # the only rule before the setting existed
        return config_from_mapping(data, str(path))

    def load_record(self) -> RunRecord:
        """The data for resuming. Raises RunError."""
        path = self.path / RECORD_FILE_NAME
        try:
            return _RECORD_ADAPTER.validate_python(parse_json(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}", _NEW_RUN_HINT) from None
        except ValidationError as error:
            problem = error.errors()[0]
            field_name = ".".join(map(str, problem["loc"])) or "the file"
            raise RunError(f"{path} is damaged: {field_name}: {problem['msg']}", _NEW_RUN_HINT) from None
        except ValueError as error:
            raise RunError(f"{path} is damaged: {error}", _NEW_RUN_HINT) from None


def find_run_datasets(run: RunFolder) -> tuple[Path, ...]:
    """The datasets of a run; relative paths if they are below the current folder.

    If the project was moved, a dataset is searched by its name below the current folder and next to the run's
    parent folder. Raises RunError, MissingFileError.
    """
    record = run.load_record()
    return tuple(_find_dataset(run, Path(path)) for path in (record.dataset, *record.more_datasets))


def find_run_dataset_b(run: RunFolder) -> Path | None:
    """The dataset of domain B; None for a run without one."""
    recorded_path = run.load_record().dataset_b
    return _find_dataset(run, Path(recorded_path)) if recorded_path else None


def _find_dataset(run: RunFolder, recorded_path: Path) -> Path:
    relative_path = Path("datasets") / recorded_path.name if recorded_path.is_absolute() else recorded_path
    for candidate in (recorded_path, relative_path, run.path.resolve().parent.parent / relative_path):
        if os.path.exists(candidate):  # noqa: PTH110 (Path.exists raises OSError for a long name)
            is_below_cwd = candidate.is_absolute() and candidate.is_relative_to(Path.cwd())
            return candidate.relative_to(Path.cwd()) if is_below_cwd else candidate
    raise MissingFileError(
        f"{recorded_path}, the dataset of {run.path}, does not exist.",
        f"Move it back there or to {relative_path}, or start a new run: vid2vid train --data DATASET",
    )


def choose_run_folder(out: Path | None, *datasets: Path, overwrite: bool) -> Path:
    """The folder of a new run: `out`, or runs/<dataset>_<dataset>, with -2, ... if it exists. Writes nothing.

    Raises OutputExistsError if `overwrite` would replace a folder that is not a run.
    """
    name = "_".join(dataset.resolve().name for dataset in datasets)
    path = out if out is not None else RUNS_FOLDER / shorten_name(name, MAX_NAME_BYTES - RESERVED_BYTES)
    check_output_parent(path)
    if overwrite and path.exists() and not (path / CONFIG_FILE_NAME).is_file():
        raise OutputExistsError(f"{path} exists and is not a run; it was not overwritten.", "Choose another --out.")
    return path if overwrite else unique_path(path, is_folder=True)


def create_run(path: Path, config: Config, record: RunRecord, command: str, *, overwrite: bool = False) -> RunFolder:
    """Create the folder and write configuration, command and environment.

    `overwrite`: an existing run is deleted; otherwise, if the folder exists by now, the next free name is used. Raises
    OutputExistsError (another process trains in that run), DiskFullError, PermissionDeniedError.
    """
    from vid2vid_cli.engine.runtime import describe_environment  # imports torch, which reading a run does not need

    if overwrite and path.exists():
        with lock_run(RunFolder(path)):
            _remove_folder(path)
    while not _try_create_folder(path):
        path = unique_path(path, is_folder=True)
    write_text(path / CONFIG_FILE_NAME, dump_yaml(config))
    write_text(path / RECORD_FILE_NAME, json.dumps(vars(record), indent=1) + "\n")
    write_text(path / "command.txt", command + "\n")
    write_text(path / "env.json", json.dumps(describe_environment(), indent=1) + "\n")
    return RunFolder(path)


def _remove_folder(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise write_error(path, error) from error


def _try_create_folder(path: Path) -> bool:
    """Create a folder; False if it exists."""
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise write_error(path, error) from error
    return True


@contextmanager
def lock_run(run: RunFolder) -> Iterator[None]:
    """Lock a run for training. Raises OutputExistsError if another process trains in it."""
    record = run.path / RECORD_FILE_NAME
    if sys.platform == "win32" or not record.is_file():  # Windows cannot delete an open file
        yield
        return
    with record.open(encoding="utf-8") as file:
        acquire_folder_lock(file, run.path, "Wait for it, stop it, or start another run with --out.")
        yield


def find_run(path_or_newest: Path | str) -> RunFolder:
    """The run to resume: a folder, or "newest" under runs/. Raises MissingFileError, RunError."""
    if path_or_newest == "newest":
        configs = sorted(RUNS_FOLDER.glob(f"*/{CONFIG_FILE_NAME}"), key=lambda config: config.stat().st_mtime_ns)
        if not configs:
            raise MissingFileError("there is no run under runs/ to resume", "Start one: vid2vid train")
        return RunFolder(configs[-1].parent)
    path = Path(path_or_newest)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist", "Give the path of a run folder, such as runs/video.")
    if not (path / CONFIG_FILE_NAME).is_file():
        raise RunError(
            f"{path} is not a run: it has no {CONFIG_FILE_NAME}",
            "Give the path of a folder that `vid2vid train` created.",
        )
    return RunFolder(path)


def resolve_checkpoint(path: Path) -> Path:
    """The `.ckpt` for a path: a file, the result of a run, or hf:ORG/NAME[@REVISION]. Raises RunError, HubError.

    The folder of a run can have been renamed: then its only `.ckpt` is the result.
    """
    if not (path := fetch_checkpoint(path)).is_dir() or not (path / CONFIG_FILE_NAME).is_file():
        return path
    found = find_run_checkpoints(path)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(file.name for file in found)
        missing = RunFolder(path).checkpoint_path.name
        raise RunError(f"{path} has no {missing}, but several others: {names}", f"Give one of the files: {found[0]}")
    resume = shell_command("vid2vid", "train", "--resume", path)
    raise RunError(f"{path} has no checkpoint yet", f"Continue the training: {resume}")
