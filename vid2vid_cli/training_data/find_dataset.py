"""Which dataset a run learns from, and the words for what it needs."""

from __future__ import annotations

from pathlib import Path

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import DatasetMismatchError, MissingFileError
from vid2vid_cli.data.dataset import newest_dataset

DATASETS = Path("datasets")


def choose_dataset(named: Path | None, config: Config, preset: str) -> Path:
    """The dataset named, or the newest under datasets/ that fits the settings.

    Raises MissingFileError (there is none), DatasetMismatchError (none of these conditioners).
    """
    if named is not None:
        return named
    found = newest_dataset(DATASETS, lambda manifest: config.takes(manifest.conditioner_names))
    if found is not None:
        return found
    remedy = f"Make one: vid2vid prepare {conditioner_words(config) or '--conditioner landmarks'} video.mp4"
    if newest_dataset(DATASETS, lambda manifest: True) is not None:
        needs = f"has {wanted_words(config)}, as {preset or 'this'} needs"
        raise DatasetMismatchError(f"no dataset under {DATASETS}/ {needs}.", remedy)
    raise MissingFileError(f"there is no dataset under {DATASETS}/ to learn from.", remedy)


def wanted_words(config: Config) -> str:
    """The conditioners that settings ask for, for people: `labels or segmentation, and edges`."""
    return ", and ".join(" or ".join(choice) for choice in config.choices())


def conditioner_words(config: Config) -> str:
    """How to ask `prepare` for them: `--conditioner labels --conditioner edges`."""
    return " ".join(f"--conditioner {choice[0]}" for choice in config.choices())
