"""Where weights lie, and whether they are the right ones. Nothing heavy is imported but to download."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from vid2vid_cli.conditioning import MissingWeightsError, digest_of

OTHER_WAYS = (
    "or give a DeepLabv3 TFLite file: --option segmentation.weights=FILE.tflite; "
    "or, for close-ups of a person, --option segmentation.backend=person, which needs no download."
)


def cache() -> Path:
    """The folder in which torch keeps what it downloads, as torch.hub documents it."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or f"{base}/torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def find(path: Path) -> Path | None:
    """The file a user named: there, or under its name in torch's cache (a checkpoint may come from elsewhere)."""
    for place in (path.expanduser(), cache() / path.name):
        if place.is_file():
            return place
    return None


def given(path: Path) -> Path:
    """The file a user named. Raises: MissingWeightsError."""
    found = find(path)
    if found is None:
        what = "is a folder, not a file of weights" if path.expanduser().is_dir() else "does not exist"
        raise MissingWeightsError(
            f"segmentation.weights: {path} {what}.",
            f"Give its path: --option segmentation.weights=FILE; a file called {path.name} in {cache()} is found too.",
        )
    return found


def published(url: str) -> Path:
    """The file that torchvision publishes at `url`, from torch's cache, downloaded where it is not there yet.

    Its name holds the beginning of its sha256, which is checked every time: torch itself does so only on download.

    Raises: MissingWeightsError (cannot be had, or is another file).
    """
    path = cache() / url.rsplit("/", 1)[-1]
    if not path.is_file():
        _download(url, path)
    return checked(path)


def checked(path: Path) -> Path:
    """A file under a published name. Raises: MissingWeightsError where it is not the published one."""
    start, actual = prefix(path), digest(path)
    if not actual.startswith(start):
        raise MissingWeightsError(
            f"{path} is damaged or another file: its sha256 begins with {actual[:8]}, and should with {start}.",
            "Delete it; from torch's cache it is then downloaded again.",
        )
    return path


def prefix(path: Path) -> str:
    """The beginning of the sha256 that the file's name promises, as torchvision names its files; "" without one."""
    match = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    return match[1] if match else ""


def digest(path: Path) -> str:
    """The sha256 of a file. Raises: MissingWeightsError (cannot be read)."""
    try:
        return digest_of(path)
    except OSError as error:
        raise MissingWeightsError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error


def _download(url: str, path: Path) -> None:
    from torch.hub import download_url_to_file

    print(f"segmentation: downloading {url} to {path.parent}, once", file=sys.stderr)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(path), hash_prefix=prefix(path), progress=False)
    except Exception as error:  # no network, a proxy's refusal, a cut connection, a full disk: many kinds
        reason = getattr(error, "reason", None) or error
        raise MissingWeightsError(
            f"The weights {path.name} are not in torch's cache and cannot be downloaded: {reason}.",
            f"Download {url} elsewhere and put it at {path}; {OTHER_WAYS}",
        ) from error
