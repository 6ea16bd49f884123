"""Finding the files of a vid2vid release, and reading their tensors without executing code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vid2vid_cli.core.errors import MissingFileError
from vid2vid_cli.engine.published_weights import RUNNING_STATISTICS, read_state_dict

FILE_NAME_PATTERN = re.compile(r"(?P<epoch>latest|\d+)_net_(?P<network>\w+)\.pth")
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
    """The state dict of one published file without running statistics: the published program does not use them.

    Raises the errors of `read_state_dict`.
    """
    return {name: value for name, value in read_state_dict(path).items() if not name.endswith(RUNNING_STATISTICS)}
