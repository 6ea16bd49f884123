"""The training states of a run, `checkpoints/step_<n>/state.pt`, and the files `last` and `best` that name one.

Reading them executes no code from them: torch.load with weights_only=True.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch

from vid2vid_cli.core.checkpoint_header import FORMAT_VERSION
from vid2vid_cli.core.errors import RunError
from vid2vid_cli.core.parsing import parse_json
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.media.files import atomic_write, write_text

STATE_FILE_NAME = "state.pt"
_STATE_FOLDER_PATTERN = re.compile(r"step_[0-9]{7,}")


def save_train_state(folder: Path, state: TrainState, extra: dict[str, Any]) -> Path:
    """Write `step_<n>/state.pt` in `folder` and point `last` at it; `extra` is JSON data.

    If the process is killed at any moment, `last` points at a complete checkpoint.
    """
    checkpoint_folder = folder / f"step_{state.step:07d}"
    payload = {"format_version": FORMAT_VERSION, "state": state.state_dict(), "extra": json.dumps(extra)}
    atomic_write(checkpoint_folder / STATE_FILE_NAME, lambda temp_path: _save_tensors(payload, temp_path))
    write_text(folder / "last", checkpoint_folder.name + "\n")
    return checkpoint_folder


def _save_tensors(payload: dict[str, Any], path: Path) -> None:
    try:
        with path.open("wb") as file:
            torch.save(payload, file)
    except RuntimeError as error:
        # torch replaces the OSError by an error of its own.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def mark_best(folder: Path, checkpoint_folder: Path) -> None:
    """Point `best` at a checkpoint folder that `save_train_state` returned."""
    write_text(folder / "best", checkpoint_folder.name + "\n")


def read_pointer(folder: Path, name: str) -> Path | None:
    """The checkpoint folder that `last` or `best` points at; None if there is none."""
    pointer = folder / name
    if not pointer.is_file():
        return None
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not _STATE_FOLDER_PATTERN.fullmatch(name):  # such as a path out of the run
        return None
    checkpoint_folder = folder / name
    return checkpoint_folder if (checkpoint_folder / STATE_FILE_NAME).is_file() else None


def find_last_state(folder: Path) -> Path:
    """The checkpoint folder of the newest state of a run, in its folder `checkpoints`. Raises RunError if none is."""
    checkpoint_folder = read_pointer(folder, "last")
    if checkpoint_folder is None:
        raise RunError(
            f"{folder.parent} has no training state: it was stopped before its first checkpoint",
            "Start it again with the same options and --overwrite.",
        )
    return checkpoint_folder


def load_train_state(checkpoint_folder: Path, state: TrainState, runtime: Runtime) -> dict[str, Any]:
    """Restore a state that `save_train_state` wrote and return its `extra`.

    Raises RunError if the file is damaged, does not fit, or contains values that are not finite.
    """
    path = checkpoint_folder / STATE_FILE_NAME
    payload = read_state_file(path, runtime.device)
    try:
        state.load_state_dict(payload["state"])
        extra: Any = parse_json(payload["extra"])
        if not isinstance(extra, dict):
            raise ValueError("its extra data is not a mapping")
        state.check_restored()
    except Exception as error:
        raise _state_error(path, error) from error
    return extra


def read_state_file(path: Path, device: torch.device) -> dict[str, Any]:
    """The content of a `state.pt`. Raises RunError for an unreadable or damaged file or another version."""
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not compare the CRC-32 that torch.save writes
            if (damaged_name := archive.testzip()) is not None:
                raise ValueError(f"its part {damaged_name} does not match its CRC-32")
        payload: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        version = payload.get("format_version", 1)
    except Exception as error:
        raise _state_error(path, error) from error
    if version != FORMAT_VERSION:
        raise RunError(
            f"{path} has format {version}; this version of vid2vid reads format {FORMAT_VERSION}",
            "Start a new run: vid2vid train",
        )
    return payload


def _state_error(path: Path, error: Exception) -> RunError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return RunError(
        f"{path} cannot be read: {reason}",
        f"Delete {path.parent} to resume from an older checkpoint, or start a new run.",
    )


def prune_checkpoints(folder: Path, keep_last: int) -> None:
    """Delete all checkpoints except the newest `keep_last` and those that `last` and `best` point at."""
    referenced = {
        checkpoint_folder for name in ("last", "best") if (checkpoint_folder := read_pointer(folder, name)) is not None
    }
    checkpoints = sorted(path for path in folder.glob("step_*") if path.is_dir())
    for checkpoint_folder in checkpoints[:-keep_last]:
        if checkpoint_folder not in referenced:
            shutil.rmtree(checkpoint_folder, ignore_errors=True)
