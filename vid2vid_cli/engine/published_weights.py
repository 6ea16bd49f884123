"""State dicts of other programs: read without executing code, and compared with the layers of an architecture."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.core.errors import ForeignCheckpointError, PermissionDeniedError, TruncatedCheckpointError

RUNNING_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
MAX_LISTED_LAYERS = 4


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the state dict of a published file, without DataParallel's prefix. No code in the file is executed.

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
    if _is_torchscript(path):
        raise ForeignCheckpointError(
            f"{path} is a TorchScript archive, which contains code; it was not loaded.",
            "Save a plain state dict: torch.save(network.state_dict(), FILE)",
        )
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
    return {name.removeprefix("module."): value for name, value in state_dict.items()}


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


class LayerMismatchError(ForeignCheckpointError):
    """A file with missing layers, unexpected layers, or layers of the wrong shape."""


def check_layers(path: Path, *, missing: Sequence[str], unexpected: Sequence[str], mismatched: Sequence[str]) -> None:
    """Raise LayerMismatchError with the first names of each list; return if all lists are empty."""
    problems: list[str] = []
    for description, names in (
        ("missing layers", missing),
        ("unexpected layers", unexpected),
        ("wrong shapes", mismatched),
    ):
        if names:
            num_more = len(names) - MAX_LISTED_LAYERS
            suffix = f" and {num_more} more" if num_more > 0 else ""
            problems.append(f"{description}: {', '.join(names[:MAX_LISTED_LAYERS])}{suffix}")
    if problems:
        raise LayerMismatchError(
            f"{path} does not match its architecture; {'; '.join(problems)}.",
            "The file is incomplete or from a modified network; nothing was written.",
        )
