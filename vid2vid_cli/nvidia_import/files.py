"""Finding the files of a vid2vid release, and reading their tensors without executing code."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.core.errors import (
    ForeignCheckpointError,
    MissingFileError,
    PermissionDeniedError,
    TruncatedCheckpointError,
)

FILE_NAME_PATTERN = re.compile(r"(?P<epoch>latest|\d+)_net_(?P<network>\w+)\.pth")
RUNNING_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""BatchNorm statistics, which the published program does not use: it normalises by the current frame."""
MAX_LISTED_FILES = 12


@dataclass(frozen=True)
class Release:
    """The files of one epoch in a folder, by network name: G0, G1, D, D_T0, G_512."""

    folder: Path
    epoch: str
    files: Mapping[str, Path]

    @property
    def video_generator_paths(self) -> list[Path]:
        """Files of G0, G1, ... up to the first missing one."""
        paths: list[Path] = []
        while (path := self.files.get(f"G{len(paths)}")) is not None:
            paths.append(path)
        return paths

    @property
    def image_generator_paths(self) -> list[Path]:
        """Files of image generators, the largest last."""
        names = [name for name in self.files if re.fullmatch(r"G(_\d+)?", name)]
        return [self.files[name] for name in sorted(names, key=lambda name: int(name[2:] or 0))]


def find_release(folder: Path) -> Release:
    """Find the networks of epoch `latest`, or of the highest epoch, in a folder. Raises MissingFileError."""
    if not folder.is_dir():
        is_file = folder.is_file()
        raise MissingFileError(
            f"{folder} is a file, not a folder." if is_file else f"{folder} does not exist.",
            f"Give the folder that contains latest_net_G0.pth: vid2vid import nvidia "
            f"{folder.parent if is_file else 'DIR'}",
        )
    epochs: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and (match := FILE_NAME_PATTERN.fullmatch(path.name)):
            epochs.setdefault(match["epoch"], {})[match["network"]] = path
    generator_epochs = {epoch: files for epoch, files in epochs.items() if any(name.startswith("G") for name in files)}
    if not generator_epochs:
        raise MissingFileError(
            f"{folder} contains no latest_net_G0.pth. {_describe_contents(folder)}",
            "Give the folder of the network, e.g. checkpoints/label2city_2048.",
        )
    epoch = "latest" if "latest" in generator_epochs else max(generator_epochs, key=int)
    return Release(folder, epoch, generator_epochs[epoch])


def _describe_contents(folder: Path) -> str:
    names = sorted(f"{path.name}{'/' * path.is_dir()}" for path in folder.iterdir())
    if not names:
        return "It is empty."
    suffix = f" and {len(names) - MAX_LISTED_FILES} more" if len(names) > MAX_LISTED_FILES else ""
    return f"It contains: {', '.join(names[:MAX_LISTED_FILES])}{suffix}."


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the state dict of one published file without running statistics. No code in the file is executed.

    Raises: ForeignCheckpointError (a web page, or anything except named tensors), TruncatedCheckpointError,
    PermissionDeniedError.
    """
    try:
        with path.open("rb") as file:
            first_bytes = file.read(512)
    except PermissionError:
        raise PermissionDeniedError(
            f"{path} cannot be read: permission denied.", "Change its permissions (chmod +r)."
        ) from None
    if first_bytes.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ForeignCheckpointError(
            f"{path} is a web page, not weights: the download failed, e.g. by an exceeded quota of Google Drive.",
            f"Open {path.name} in a browser for the reason, and download the weights from another source.",
        )
    if first_bytes.startswith(b"version https://git-lfs"):
        raise ForeignCheckpointError(f"{path} is a Git LFS pointer, not weights.", "Fetch it: git lfs pull")
    truncated_error = TruncatedCheckpointError(f"{path} is truncated or damaged.", "Copy or download it again.")
    if not first_bytes:
        raise truncated_error
    try:
        state_dict = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "global" not in str(error).lower():
            raise truncated_error from None
        raise ForeignCheckpointError(
            f"{path} contains pickled objects that can execute code; it was not loaded.",
            "Save a plain state dict: torch.save(network.state_dict(), FILE)",
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, UnicodeDecodeError):
        raise truncated_error from None
    is_state_dict = isinstance(state_dict, Mapping) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state_dict.items()
    )
    if not is_state_dict or not state_dict:
        raise ForeignCheckpointError(
            f"{path} is not a state dict of named tensors.",
            "Save a plain state dict: torch.save(network.state_dict(), FILE)",
        )
    weights = {name.removeprefix("module."): value for name, value in state_dict.items()}
    return {name: value for name, value in weights.items() if not name.endswith(RUNNING_STATISTICS)}
