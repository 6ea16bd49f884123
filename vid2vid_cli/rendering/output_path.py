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


def report_folder(path: Path) -> Path:
    """The folder of the report of a video, which is written with the comparison video."""
    return path.with_name(f"{path.stem}_report")


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
        beside = [*other_paths(file), *([compare_path(file), report_folder(file)] if compare else [])]
        return any(candidate.exists() for candidate in (file, *beside))

    return unique_path(path, is_taken=is_taken)


class OutputNames:
    """Chooses the output files of several videos, so that none replaces another one."""

    def __init__(self, *, overwrite: bool, compare: bool) -> None:
        self._overwrite, self._compare = overwrite, compare
        self._chosen: set[str] = set()
        """In lower case, because some file systems do not distinguish the case."""

    def choose(self, default: Path, is_done: Callable[[Path], bool] | None) -> tuple[Path, bool]:
        """The first of `default`, `default-2`, ... that is free, or that exists and is done, and whether it is done.

        With `overwrite`, an existing file is free. `is_done`: whether an existing video need not be made again.
        """
        done: list[Path] = []

        def is_taken(path: Path) -> bool:
            files = [path, compare_path(path)] if self._compare else [path]
            if any(str(file).lower() in self._chosen for file in files):
                return True
            if is_done is not None and all(file.is_file() for file in files) and is_done(path):
                done.append(path)
                return False
            return not self._overwrite and any(file.exists() for file in files)

        path = unique_path(default, is_taken=is_taken)
        self._chosen |= {str(file).lower() for file in (path, compare_path(path))}
        return path, bool(done)
