"""Checkpoints on the Hugging Face Hub: `hf:ORG/NAME[@REVISION]` in place of a path, and the errors of the hub."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.core.checkpoint_header import read_header
from vid2vid_cli.core.errors import ConfigError, HubError, MissingPackageError, Vid2VidError
from vid2vid_cli.media.os_errors import DISK_FULL_ERRNOS, PERMISSION_ERRNOS, write_error
from vid2vid_cli.media.published_weights import OFFLINE_VARIABLE

HUB_PREFIX, CHECKPOINT_SUFFIX = "hf:", ".ckpt"
ENDPOINT_VARIABLE = "HF_ENDPOINT"
INSTALL_COMMAND = 'pip install "vid2vid-cli[hub]"'
LOGIN_HINT = "Log in with `hf auth login`, or set HF_TOKEN to a token of https://huggingface.co/settings/tokens."
_REFERENCE_PATTERN = re.compile(r"(?:hf:/{0,2})?(\w[\w.-]*/\w[\w.-]*)(?:@([\w./-]+))?")


@dataclass(frozen=True)
class HubReference:
    """A repository of the hub."""

    repository: str
    """ORG/NAME."""
    revision: str = "main"
    """A branch, tag or commit."""

    def __str__(self) -> str:
        return f"{HUB_PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision != "main" else "")


def is_hub_reference(path: Path | str) -> bool:
    """Whether the text is hf:ORG/NAME and no existing file."""
    return str(path).startswith(HUB_PREFIX) and not os.path.exists(path)  # noqa: PTH110 - Path.exists raises


def parse_hub_reference(text: str) -> HubReference:
    """ORG/NAME, hf:ORG/NAME or hf:ORG/NAME@REVISION. Raises ConfigError."""
    match = _REFERENCE_PATTERN.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"{text} is not a repository of the hub.", "Write ORG/NAME or ORG/NAME@REVISION, such as ada/dancer@v1."
        )
    return HubReference(match[1], match[2] or "main")


def fetch_checkpoint(path: Path) -> Path:
    """`path`, or for hf:ORG/NAME[@REVISION] the checkpoint of that repository, in a local folder.

    Raises ConfigError, and the errors of `download_checkpoint`.
    """
    # as_posix: on Windows the text of a path has backslashes
    return download_checkpoint(parse_hub_reference(path.as_posix())) if is_hub_reference(path) else path


def is_top_level_checkpoint(name: str) -> bool:
    """Whether a file of a repository is one that `download_checkpoint` downloads."""
    return name.endswith(CHECKPOINT_SUFFIX) and "/" not in name


def require_hub_package() -> None:
    """Raise MissingPackageError if huggingface_hub is not installed; without a terminal, turn its progress bars off."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingPackageError(
            "The hub requires the package huggingface_hub, which is not installed.", INSTALL_COMMAND
        )
    if not sys.stderr.isatty():
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()


def download_checkpoint(reference: HubReference) -> Path:
    """The `.ckpt` of a repository in the cache of huggingface_hub; downloaded if it is not there.

    With VID2VID_OFFLINE=1 only the cache is used. Raises MissingPackageError, HubError (no such repository or revision,
    not one checkpoint, no access, no connection), ForeignCheckpointError, DiskFullError, PermissionDeniedError.
    """
    require_hub_package()
    from huggingface_hub import snapshot_download

    with hub_errors(reference):
        folder = snapshot_download(
            reference.repository,
            revision=reference.revision,
            allow_patterns=f"*{CHECKPOINT_SUFFIX}",
            ignore_patterns="*/*",  # `*` of the other pattern also matches slashes
            endpoint=hub_endpoint(),
            local_files_only=os.environ.get(OFFLINE_VARIABLE) == "1",
        )
    paths = {path.name: path for path in sorted(Path(folder).glob(f"*{CHECKPOINT_SUFFIX}"))}
    companions = [read_header(path)[0].get("image_generator") for path in paths.values()]  # of any type
    checkpoints = [path for name, path in paths.items() if name not in companions]
    if len(checkpoints) != 1:
        found = ", ".join(paths) or "none"
        raise HubError(f"{reference} must have one .ckpt file, and has {found}.", "Download a file and give its path.")
    return checkpoints[0]


def output_folder(checkpoint: Path) -> Path:
    """The folder for what is written beside a checkpoint; the working directory if it is in huggingface_hub's cache."""
    snapshots = checkpoint.parent.parent
    is_cached = snapshots.name == "snapshots" and snapshots.parent.name.startswith("models--")
    return Path() if is_cached else checkpoint.parent


def hub_endpoint() -> str | None:
    """The address of another hub, from HF_ENDPOINT; None for that of huggingface_hub."""
    return os.environ.get(ENDPOINT_VARIABLE)


@contextmanager
def hub_errors(reference: HubReference) -> Iterator[None]:
    """Turn the errors of huggingface_hub into HubError, DiskFullError and PermissionDeniedError."""
    try:
        yield
    except Vid2VidError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (*DISK_FULL_ERRNOS, *PERMISSION_ERRNOS):
            raise write_error(Path(error.filename or "the cache of huggingface_hub"), error) from error
        raise _hub_error(reference, error) from error


def _hub_error(reference: HubReference, error: Exception) -> HubError:
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(
            f"{reference.repository} has no revision {reference.revision}.", "Name a branch, a tag or a commit."
        )
    if isinstance(error, errors.GatedRepoError):
        return HubError(f"{reference.repository} is gated.", f"Request access on its page. {LOGIN_HINT}")
    if isinstance(error, errors.RepositoryNotFoundError):
        message = f"{reference.repository} does not exist, or is private and the token gives no access to it."
        return HubError(message, f"Check the name. {LOGIN_HINT}")
    if isinstance(error, errors.LocalTokenNotFoundError) or status == 401:
        return HubError(f"{reference.repository}: the hub requires a valid token.", LOGIN_HINT)
    if status == 403:
        return HubError(f"{reference.repository}: the token does not allow this.", LOGIN_HINT)
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    hint = "Check the connection, or give the path of a downloaded file."
    if os.environ.get(OFFLINE_VARIABLE) == "1":
        hint = f"{OFFLINE_VARIABLE}=1 forbids downloads, and the cache does not have it: unset it once."
    return HubError(f"{reference} cannot be read or written: {reason}", hint)
