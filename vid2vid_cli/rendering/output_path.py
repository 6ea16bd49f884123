"""The file that a rendering command writes, and the comparison video beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vid2vid_cli.core.errors import ConfigError, OutputExistsError
from vid2vid_cli.core.paths import check_output_parent
from vid2vid_cli.media.encode import CONTAINER_FORMATS
from vid2vid_cli.media.files import unique_path


def compare_path(path: Path) -> Path:
    """The path of the comparison video of a video."""
    return path.with_name(f"{path.stem}_compare{path.suffix}")


def choose_output_path(
    requested: Path | None,
    default: Path,
    *,
    overwrite: bool,
    compare: bool = False,
    other_paths: Callable[[Path], Sequence[Path]] = lambda path: (),
) -> Path:
    """The file to write: a path at which no file and no comparison video exist, unless `overwrite`.

    `other_paths`: the files that are written beside a path.

    The suffix is that of `default`, or another video format if that is one. Raises OutputExistsError if the path is a
    folder, ConfigError (suffix, or a file in place of the folder), PermissionDeniedError.
    """
    path = requested if requested is not None else default
    if path.is_dir():
        raise OutputExistsError(f"{path} is a folder", f"Name a file: --out {path / default.name}")
    suffixes = list(CONTAINER_FORMATS) if default.suffix in CONTAINER_FORMATS else [default.suffix]
    if path.suffix.lower() not in suffixes:
        problem = f"the suffix {path.suffix!r} is not supported here" if path.suffix else "a suffix is missing"
        raise ConfigError(f"--out {path}: {problem}.", f"Use {' or '.join(suffixes)}.")
    check_output_parent(path)
    if overwrite:
        return path

    def is_taken(file: Path) -> bool:
        beside = [*other_paths(file), *([compare_path(file)] if compare else [])]
        return any(candidate.exists() for candidate in (file, *beside))

    return unique_path(path, is_taken=is_taken)
