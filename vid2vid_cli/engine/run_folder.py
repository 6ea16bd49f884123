"""A run on disk: where it lies, what it was told, and finding it again."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from vid2vid_cli import __version__
from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import config_from_mapping, dump_yaml
from vid2vid_cli.core.errors import ExistsError, MissingFileError, RunError
from vid2vid_cli.engine.checkpoint import load_info, pointed
from vid2vid_cli.engine.folder_lock import lock
from vid2vid_cli.media.files import free_name, write_text
from vid2vid_cli.media.os_errors import writing_failed

RUNS = Path("runs")
CONFIG = "config.yaml"
RECORD = "run.json"


@dataclass(frozen=True)
class RunRecord:
    """What a run must know to go on, besides its settings."""

    dataset: str
    """Absolute, so that the run can be resumed from anywhere."""
    preset: str
    precision: str
    device: str
    licence: str = ""
    """Under which the weights that it began with were, and its own are; "" for none."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run."""

    path: Path

    @property
    def name(self) -> str:
        """Also that of its checkpoint file."""
        return self.path.resolve().name

    @property
    def checkpoints(self) -> Path:
        """Training states."""
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        """Pictures of the same held-out frames over time."""
        return self.path / "samples"

    @property
    def result(self) -> Path:
        """The one-file checkpoint."""
        return self.path / f"{self.name}.ckpt"

    def config(self) -> Config:
        """Its settings. Raises RunError where they are missing, ConfigError where they do not fit."""
        path = self.path / CONFIG
        try:
            return config_from_mapping(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
        except (OSError, yaml.YAMLError):
            raise RunError(f"{path} cannot be read", "Start a new run: vid2vid train") from None

    def record(self) -> RunRecord:
        """What it must know to go on. Raises RunError."""
        path = self.path / RECORD
        try:
            return RunRecord(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise RunError(f"{path} cannot be read", "Start a new run: vid2vid train") from None


def dataset_of(run: RunFolder) -> Path:
    """The dataset a run learns from, relative where it lies below the current folder.

    Where it is gone from its place, a project moved as a whole is tried: the same name below the current folder, or
    beside the run. Raises RunError, MissingFileError.
    """
    noted = Path(run.record().dataset)
    name = Path("datasets") / noted.name if noted.is_absolute() else noted
    for place in (noted, name, run.path.resolve().parent.parent / name):
        if place.exists():
            below = place.is_absolute() and place.is_relative_to(Path.cwd())
            return place.relative_to(Path.cwd()) if below else place
    raise MissingFileError(
        f"{noted}, the dataset that {run.path} learns from, does not exist.",
        f"Put it back there, or to {name}; or start anew with another: vid2vid train --data DATASET",
    )


def planned_run(out: Path | None, dataset: Path, *, overwrite: bool) -> Path:
    """Where a new run is to lie: `out`, or runs/<dataset>; with -2, -3 where that is taken. Changes nothing.

    Raises ExistsError where what would be overwritten is not a run.
    """
    wanted = out if out is not None else RUNS / dataset.resolve().name
    if overwrite and wanted.exists() and not (wanted / CONFIG).is_file():
        raise ExistsError(f"{wanted} exists and is not a run; it was not overwritten.", "Choose another --out.")
    return wanted if overwrite else free_name(wanted, folder=True)


def create_run(path: Path, config: Config, record: RunRecord, command: str, *, overwrite: bool = False) -> RunFolder:
    """Make the folder and write down settings, command and environment.

    `overwrite`: a former run there is deleted; otherwise one that has begun there since is left alone, and the name
    after it taken. Raises ExistsError (another process trains there), DiskFullError, PermissionDeniedError.
    """
    if overwrite and path.exists():
        with held(RunFolder(path)):
            _remove(path)
    while not _made(path):
        path = free_name(path, folder=True)
    write_text(path / CONFIG, dump_yaml(config))
    write_text(path / RECORD, json.dumps(vars(record), indent=1) + "\n")
    write_text(path / "command.txt", command + "\n")
    write_text(path / "env.json", json.dumps(environment(), indent=1) + "\n")
    return RunFolder(path)


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise writing_failed(path, error) from error


def _made(path: Path) -> bool:
    """Make a folder; False where there is one."""
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise writing_failed(path, error) from error
    return True


@contextmanager
def held(run: RunFolder) -> Iterator[None]:
    """Keep other processes from training in a run. Raises ExistsError where one does."""
    record = run.path / RECORD
    if sys.platform == "win32" or not record.is_file():  # an open file could not be deleted there
        yield
        return
    with record.open(encoding="utf-8") as file:
        lock(file, run.path, "Wait for it or stop it, or begin another run with --out.")
        yield


def find_run(named: Path | str) -> RunFolder:
    """The run to resume: a folder, or "newest" under runs/. Raises MissingFileError, RunError."""
    if named == "newest":
        configs = sorted(RUNS.glob(f"*/{CONFIG}"), key=lambda config: config.stat().st_mtime_ns)
        if not configs:
            raise MissingFileError("there is no run under runs/ to resume", "Start one: vid2vid train")
        return RunFolder(configs[-1].parent)
    path = Path(named)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist", "Name a run folder, such as runs/video.")
    if not (path / CONFIG).is_file():
        raise RunError(f"{path} is not a run: it holds no {CONFIG}", "Name a folder that `vid2vid train` made.")
    return RunFolder(path)


def last_state(run: RunFolder) -> Path:
    """The newest training state of a run. Raises RunError where there is none yet."""
    place = pointed(run.checkpoints, "last")
    if place is None:
        raise RunError(
            f"{run.path} was stopped before its first checkpoint, so there is nothing to resume",
            "Start it again: vid2vid train --overwrite, with the same options.",
        )
    return place


def start_of(path: Path) -> Path:
    """What a new run may begin with: the newest state of a run folder, or the `.ckpt` that is named or in it.

    Raises MissingFileError, RunError.
    """
    if path.is_dir() and (state := pointed(RunFolder(path).checkpoints, "last")) is not None:
        return state
    return checkpoint_file(path)


def licence_of(start: Path | None) -> str:
    """The licence of what a new run begins with, a run or a `.ckpt`; "" for none. Raises as `start_of`."""
    if start is None:
        return ""
    if (start / RECORD).is_file():
        return RunFolder(start).record().licence
    return str(load_info(checkpoint_file(start)).training.get("licence", ""))


def checkpoint_file(path: Path) -> Path:
    """The `.ckpt` that a user means: a file, or the result inside a run folder. Raises MissingFileError, RunError."""
    if not path.is_dir() or not (path / CONFIG).is_file():
        return path
    result = RunFolder(path).result
    if not result.is_file():
        raise RunError(f"{path} has no checkpoint yet", f"Train on: vid2vid train --resume {path}")
    return result


def environment() -> dict[str, Any]:
    """Versions and machine, for whoever wants to know later."""
    return {
        "vid2vid": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "platform": platform.platform(terse=True),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
