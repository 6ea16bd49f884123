"""Shell completion of presets, conditioners, datasets and runs. Nothing heavy is imported, also in the calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vid2vid_cli.core.log_names import LOG_NAMES

Completer = Callable[[str], list[str]]
"""The beginning of a word -> the values that begin with it."""


def complete_presets(incomplete: str) -> list[str]:
    """Names of the bundled presets."""
    from vid2vid_cli.config.presets import preset_names

    return _matching(preset_names(), incomplete)


def complete_conditioners(incomplete: str) -> list[str]:
    """Names of the installed conditioners; none of them is imported."""
    from vid2vid_cli.conditioning.plugin_candidates import find_candidates

    return _matching(sorted({candidate.name for candidate in find_candidates()}), incomplete)


def complete_datasets(incomplete: str) -> list[str]:
    """Folders under datasets/ that are datasets."""
    return _matching(_folders_with("datasets", "dataset.json"), incomplete)


def complete_runs(incomplete: str) -> list[str]:
    """Folders under runs/ that are runs; commands take them in place of their .ckpt."""
    return _matching(_folders_with("runs", "config.yaml"), incomplete)


def complete_datasets_and_runs(incomplete: str) -> list[str]:
    """Datasets, then runs."""
    return complete_datasets(incomplete) + complete_runs(incomplete)


def complete_logs(incomplete: str) -> list[str]:
    """The values of `train --log`."""
    return _matching(LOG_NAMES, incomplete)


_BY_METAVAR: dict[str, Completer] = {
    "DATASET": complete_datasets,
    "CKPT": complete_runs,
    "CKPT|DATASET": complete_datasets_and_runs,
    "RUN|CKPT": complete_runs,
    "NAME|FILE": complete_presets,
}


def choose_completer(flags: Sequence[str], metavar: str | None) -> Completer | None:
    """The completer of an option with these flags or of an argument; None for the shell's completion of files.

    An option or argument has that of its metavar. The metavar NAME has several meanings.
    """
    return complete_conditioners if "--conditioner" in flags else _BY_METAVAR.get(metavar or "")


def _folders_with(parent: str, file_name: str) -> list[str]:
    """Paths of the folders in `parent` that contain a file; [] if they cannot be read."""
    try:
        return sorted(path.parent.as_posix() for path in Path(parent).glob(f"*/{file_name}"))
    except OSError:
        return []


def _matching(values: Sequence[str], incomplete: str) -> list[str]:
    return [value for value in values if value.startswith(incomplete)]
