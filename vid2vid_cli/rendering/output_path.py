"""The file that a rendering command writes, and the comparison video beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from vid2vid_cli.core.errors import ConfigError, OutputExistsError
from vid2vid_cli.core.paths import check_output_parent, shorten_name
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.media.files import unique_path
from vid2vid_cli.media.output_formats import (
    ALPHA_HINT,
    CONTAINER_FORMATS,
    OUTPUT_FORMATS,
    FormatName,
    OutputFormat,
    format_of_suffix,
    require_encoder,
)
from vid2vid_cli.media.segments import check_replaceable
from vid2vid_cli.rendering.layers import layer_path
from vid2vid_cli.rendering.provenance import check_provenance
from vid2vid_cli.rendering.unfinished_video import count_unfinished_frames, unfinished_folder
from vid2vid_cli.requests.render import SynthesizeRequest, TransferRequest

COMPARE_SUFFIXES = (".mp4", ".m4v", ".mov")
"""Suffixes that the comparison has in common with the video; that of other videos is .mp4."""


def compare_path(path: Path) -> Path:
    """The path of the comparison video of a video or of a folder of images."""
    stem, suffix = (path.stem, path.suffix) if format_of_suffix(path) else (path.name, "")
    return path.with_name(f"{stem}_compare{suffix if suffix.lower() in COMPARE_SUFFIXES else '.mp4'}")


def choose_format(choice: FormatName | Literal["auto"], out: Path | None, *, has_alpha: bool) -> OutputFormat:
    """The format that --format or the suffix of --out selects, and that this PyAV can write.

    Raises ConfigError (a suffix of another format, or a format without alpha), MissingPackageError (no encoder).
    """
    suffix_format = None if out is None else format_of_suffix(out)
    if choice != "auto":
        output_format = OUTPUT_FORMATS[choice]
        is_named = suffix_format is output_format or (suffix_format is None and output_format.is_folder)
        if out is not None and not out.is_dir() and not is_named:
            raise ConfigError(
                f"--format {choice}: --out {out} is not the name of a {output_format.title}.",
                f"Use the suffix {' or '.join(output_format.suffixes)}."
                if output_format.suffixes
                else "Name a folder.",
            )
    elif suffix_format is not None:
        output_format = suffix_format
    else:
        output_format = OUTPUT_FORMATS["mov" if has_alpha else "mp4"]
    if has_alpha and not output_format.has_alpha:
        raise ConfigError(f"--background alpha: {output_format.title} has no alpha channel.", ALPHA_HINT)
    require_encoder(output_format, has_alpha=has_alpha)
    return output_format


def report_folder(path: Path) -> Path:
    """The folder of the report of a video, which is written with the comparison video."""
    return path.with_name(f"{path.stem}_report")


def choose_output_path(
    requested: Path | None,
    default: Path,
    *,
    overwrite: bool,
    compare: bool = False,
    is_folder: bool = False,
    other_paths: Callable[[Path], Sequence[Path]] = lambda path: (),
) -> Path:
    """The file to write: a path at which no file and no comparison video exist, unless `overwrite`.

    `is_folder`: it is a folder of images. `other_paths`: the files that are written beside a path.

    The suffix is that of `default`, or another video format if that is one. A video that is unfinished keeps its name,
    although its comparison may exist. Raises OutputExistsError if the path is a folder, ConfigError (suffix, a file in
    place of the folder, a folder to replace that contains more than images), PermissionDeniedError.
    """
    path = requested if requested is not None else default
    if not is_folder:
        if path.is_dir():
            raise OutputExistsError(f"{path} is a folder", f"Name a file: --out {path / default.name}")
        suffixes = list(CONTAINER_FORMATS) if default.suffix in CONTAINER_FORMATS else [default.suffix]
        if path.suffix.lower() not in suffixes:
            problem = f"the suffix {path.suffix!r} is not supported here" if path.suffix else "a suffix is missing"
            raise ConfigError(f"--out {path}: {problem}.", f"Use {' or '.join(suffixes)}.")
    check_output_parent(path)
    if overwrite:
        check_replaceable(path)
        return path

    def is_taken(file: Path) -> bool:
        beside = [*other_paths(file), *([compare_path(file), report_folder(file)] if compare else [])]
        if unfinished_folder(file).is_dir():  # they are completed first
            beside = []
        return any(candidate.exists() for candidate in (file, *beside))

    return unique_path(path, is_folder=is_folder, is_taken=is_taken)


def choose_render_path(
    request: SynthesizeRequest | TransferRequest, default: Path, output_format: OutputFormat
) -> Path:
    """The video, or the folder of images, that a request writes, see `choose_output_path`, and `check_provenance`."""
    check_provenance(request, request.out or default, output_format)
    return choose_output_path(
        request.out,
        default,
        overwrite=request.overwrite,
        compare=request.compare,
        is_folder=output_format.is_folder,
        other_paths=lambda path: [layer_path(path, layer) for layer in request.save],
    )


def output_rows(path: Path, output_format: OutputFormat, *, resume: bool) -> tuple[tuple[str, str], ...]:
    """The rows of --dry-run on the video, and on the frames that an interrupted command has written."""
    num_frames = count_unfinished_frames(path) if resume else 0
    unfinished_row = (("continued", f"after {num_frames} frames of an interrupted command"),) if num_frames else ()
    return (("video", str(path)), ("format", output_format.title), *unfinished_row)


def transfer_file_name(source: Path, metadata: CheckpointMetadata, output_format: OutputFormat) -> Path:
    """The default name of the video, <source>_as_<target>.mp4, or of the folder of images."""
    stem = f"{shorten_name(source.resolve().stem)}_as_{shorten_name(metadata.name, 60)}"
    return Path(stem + "".join(output_format.suffixes[:1]))


def synthesized_file_name(source: Path, output_format: OutputFormat) -> Path:
    """The default name of the video, <source>_synthesized.mp4, or of the folder of images."""
    source = source.resolve()
    stem = f"{shorten_name(source.name if source.is_dir() else source.stem)}_synthesized"
    return Path(stem + "".join(output_format.suffixes[:1]))


class OutputNames:
    """Chooses the output files of several videos, so that none replaces another one."""

    def __init__(self, *, overwrite: bool, compare: bool, is_folder: bool) -> None:
        """`is_folder`: each video is a folder of images."""
        self._overwrite, self._compare, self._is_folder = overwrite, compare, is_folder
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
            if self._overwrite:
                return False
            return path.exists() or (files[-1].exists() and not unfinished_folder(path).is_dir())

        path = unique_path(default, is_folder=self._is_folder, is_taken=is_taken)
        self._chosen |= {str(file).lower() for file in (path, compare_path(path))}
        return path, bool(done)
