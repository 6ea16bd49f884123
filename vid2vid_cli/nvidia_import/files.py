"""The files of a published release: finding them, and reading tensors out of them and nothing else."""

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

NAMED = re.compile(r"(?P<epoch>latest|\d+)_net_(?P<network>\w+)\.pth")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Averages over training, which the published program never uses: it normalises each frame by its own."""
SEVERAL = 12


@dataclass(frozen=True)
class Release:
    """The files of one folder, of one epoch, by the name of the network: G0, G1, D, D_T0, G_512."""

    folder: Path
    epoch: str
    files: Mapping[str, Path]

    @property
    def scales(self) -> list[Path]:
        """G0, G1, ... without a gap."""
        found: list[Path] = []
        while (path := self.files.get(f"G{len(found)}")) is not None:
            found.append(path)
        return found

    @property
    def single(self) -> list[Path]:
        """Generators of single images, the largest last."""
        names = [name for name in self.files if re.fullmatch(r"G(_\d+)?", name)]
        return [self.files[name] for name in sorted(names, key=lambda name: int(name[2:] or 0))]


def find_release(folder: Path) -> Release:
    """The networks in a folder: those called `latest`, or of the last epoch. Raises MissingFileError."""
    if not folder.is_dir():
        is_file = folder.is_file()
        raise MissingFileError(
            f"{folder} is a file, and not a folder." if is_file else f"{folder} does not exist.",
            f"Name the folder of latest_net_G0.pth: vid2vid import nvidia {folder.parent if is_file else 'DIR'}",
        )
    epochs: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and (named := NAMED.fullmatch(path.name)):
            epochs.setdefault(named["epoch"], {})[named["network"]] = path
    whole = {epoch: files for epoch, files in epochs.items() if any(name.startswith("G") for name in files)}
    if not whole:
        raise MissingFileError(
            f"{folder} holds no latest_net_G0.pth. {_contents(folder)}",
            "Name the folder of the network, such as checkpoints/label2city_2048.",
        )
    epoch = "latest" if "latest" in whole else max(whole, key=int)
    return Release(folder, epoch, whole[epoch])


def _contents(folder: Path) -> str:
    names = sorted(f"{path.name}{'/' * path.is_dir()}" for path in folder.iterdir())
    if not names:
        return "It is empty."
    more = f" and {len(names) - SEVERAL} more" if len(names) > SEVERAL else ""
    return f"There are: {', '.join(names[:SEVERAL])}{more}."


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of one published file by name, running statistics left out; nothing in it is executed.

    Raises: ForeignCheckpointError (a web page, or anything but tensors by name), TruncatedCheckpointError,
    PermissionDeniedError.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except PermissionError:
        raise PermissionDeniedError(f"{path} may not be read.", "Change its permissions (chmod +r).") from None
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ForeignCheckpointError(
            f"{path} is a web page and no weights: what a dead or overloaded link of Google Drive gives.",
            f"Open {path.name} in a browser to see what it says, and get the file from elsewhere.",
        )
    if start.startswith(b"version https://git-lfs"):
        raise ForeignCheckpointError(f"{path} only points at a file of Git LFS.", "Fetch it: git lfs pull")
    cut = TruncatedCheckpointError(f"{path} is cut off or damaged.", "Copy or download it again.")
    if not start:
        raise cut
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "global" not in str(error).lower():
            raise cut from None
        raise ForeignCheckpointError(
            f"{path} holds more than tensors, and reading that could execute anything: it was not read.",
            "Only plain state dicts are taken: torch.save(network.state_dict(), FILE)",
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, UnicodeDecodeError):
        raise cut from None
    named = isinstance(found, Mapping) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items())
    if not named or not found:
        raise ForeignCheckpointError(
            f"{path} does not hold tensors by name.", "Only plain state dicts are taken, as vid2vid saves them."
        )
    short = {name.removeprefix("module."): value for name, value in found.items()}
    return {name: value for name, value in short.items() if not name.endswith(STATISTICS)}
