"""Location of weight files of the user, and download of torchvision's."""

from __future__ import annotations

import sys
from pathlib import Path

from vid2vid_cli.conditioning import (
    MissingWeightsError,
    WeightFile,
    check_weight_file,
    expand_home,
    fetch_weight_file,
    torch_cache_dir,
)
from vid2vid_segmentation import TORCHVISION_WEIGHTS

ALTERNATIVES_HINT = (
    "Or use a DeepLabv3 TFLite file: --conditioner-option segmentation.weights=FILE.tflite; "
    "or, for close-ups of a person, --conditioner-option segmentation.backend=selfie, which needs no download."
)


def find_weights(path: Path) -> Path | None:
    """Return the file at `path`, or the file of this name in torch's cache (paths differ between machines), or None."""
    for candidate in (expand_home(path), torch_cache_dir() / path.name):
        if candidate.is_file():
            return candidate
    return None


def require_weights(path: Path) -> Path:
    """Return the user's weight file; one with a published name must have the published sha256.

    Raises: MissingWeightsError.
    """
    weights_path = find_weights(path)
    if weights_path is None:
        problem = "is a folder, not a weight file" if expand_home(path).is_dir() else "does not exist"
        raise MissingWeightsError(
            f"segmentation.weights: {path} {problem}.",
            f"Set --conditioner-option segmentation.weights=FILE, or put {path.name} into {torch_cache_dir()}.",
        )
    for file in TORCHVISION_WEIGHTS.values():
        if file.name == weights_path.name:
            return check_weight_file(file, weights_path)
    return weights_path


def fetch_published_weights(file: WeightFile) -> Path:
    """Return torchvision's file from torch's cache, after a download if it is missing.

    Raises: MissingWeightsError (the download fails, or the sha256 differs).
    """
    if not (torch_cache_dir() / file.name).is_file():
        print(f"segmentation: downloading {file.url} to {torch_cache_dir()}", file=sys.stderr)
    try:
        return fetch_weight_file(file)
    except MissingWeightsError as error:
        raise MissingWeightsError(error.message, f"{error.hint} {ALTERNATIVES_HINT}") from error
