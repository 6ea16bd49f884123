"""Location, verification and download of weight files; torch is imported only for a download."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from vid2vid_cli.conditioning import MissingWeightsError, expand_home, sha256_of_files

ALTERNATIVES_HINT = (
    "or use a DeepLabv3 TFLite file: --conditioner-option segmentation.weights=FILE.tflite; "
    "or, for close-ups of a person, --conditioner-option segmentation.backend=selfie, which needs no download."
)


def torch_cache_dir() -> Path:
    """Return the folder of torch.hub's downloads."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or f"{base}/torch"
    return expand_home(Path(home)) / "hub" / "checkpoints"


def find_weights(path: Path) -> Path | None:
    """Return the file at `path`, or the file of this name in torch's cache (paths differ between machines), or None."""
    for candidate in (expand_home(path), torch_cache_dir() / path.name):
        if candidate.is_file():
            return candidate
    return None


def require_weights(path: Path) -> Path:
    """Return the user's weight file. Raises: MissingWeightsError."""
    weights_path = find_weights(path)
    if weights_path is None:
        problem = "is a folder, not a weight file" if expand_home(path).is_dir() else "does not exist"
        raise MissingWeightsError(
            f"segmentation.weights: {path} {problem}.",
            f"Set --conditioner-option segmentation.weights=FILE, or put {path.name} into {torch_cache_dir()}.",
        )
    return weights_path


def fetch_published_weights(url: str) -> Path:
    """Return torchvision's file of `url` from torch's cache, after a download if it is missing.

    The sha256 prefix in its name is verified on every use; torch verifies it only on download.

    Raises: MissingWeightsError (the download fails, or the sha256 differs).
    """
    path = torch_cache_dir() / url.rsplit("/", 1)[-1]
    if not path.is_file():
        _download_weights(url, path)
    return check_sha256(path)


def check_sha256(path: Path) -> Path:
    """Verify a file with a published name. Raises: MissingWeightsError (the sha256 differs)."""
    expected_prefix, actual_sha256 = sha256_prefix(path), weights_sha256(path)
    if not actual_sha256.startswith(expected_prefix):
        raise MissingWeightsError(
            f"{path} is damaged: its sha256 starts with {actual_sha256[:8]} instead of {expected_prefix}.",
            "Delete it; a file in torch's cache is then downloaded again.",
        )
    return path


def sha256_prefix(path: Path) -> str:
    """Return the sha256 prefix in the name of a torchvision file; "" if there is none."""
    match = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    return match[1] if match else ""


def weights_sha256(path: Path) -> str:
    """Return the sha256 of a file. Raises: MissingWeightsError (unreadable)."""
    try:
        return sha256_of_files(path)
    except OSError as error:
        raise MissingWeightsError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error


def _download_weights(url: str, path: Path) -> None:
    from torch.hub import download_url_to_file

    print(f"segmentation: downloading {url} to {path.parent}", file=sys.stderr)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(path), hash_prefix=sha256_prefix(path), progress=False)
    except Exception as error:  # no network, proxy errors, lost connections, a full disk: many types
        reason = getattr(error, "reason", None) or error
        raise MissingWeightsError(
            f"The weights {path.name} are not in torch's cache and cannot be downloaded: {reason}.",
            f"Download {url} on another machine and copy it to {path}; {ALTERNATIVES_HINT}",
        ) from error
