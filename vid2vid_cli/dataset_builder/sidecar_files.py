"""Existing annotation files of videos, and their assignment to videos and conditioners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import InputFileMismatchError, MissingFileError
from vid2vid_cli.core.paths import expand_home
from vid2vid_cli.media.files import natural_sort_key, sha256_of_files
from vid2vid_cli.media.os_errors import read_error

SidecarFiles = Mapping[str, Mapping[str, Path]]
"""Conditioner -> its input option -> the folder or file of one video."""


def select_files(
    conditioners: Sequence[Conditioner], dataset_files: SidecarFiles, option_files: SidecarFiles
) -> SidecarFiles:
    """The files that the conditioners can read; files of options take precedence over those of a foreign dataset."""
    selected: dict[str, dict[str, Path]] = {}
    for conditioner in conditioners:
        name, input_options = conditioner.spec.name, conditioner.options.names_with_role("input")
        merged = {**dataset_files.get(name, {}), **option_files.get(name, {})}
        selected[name] = {option: path for option, path in merged.items() if option in input_options}
    return selected


def bind_files(conditioner: Conditioner, files: SidecarFiles) -> Conditioner:
    """The conditioner with the files of one video in place of its own input options."""
    conditioner_files = files.get(conditioner.spec.name, {})
    options = conditioner.options
    updates = {name: conditioner_files.get(name) for name in options.names_with_role("input")}
    if all(getattr(options, name) == path for name, path in updates.items()):
        return conditioner
    return type(conditioner)(type(options).model_validate({**dict(options), **updates}))


def bind_for_detection(conditioner: Conditioner, files: Sequence[SidecarFiles]) -> Conditioner:
    """The conditioner for a video without annotation files, if there is one; otherwise for the first video."""
    name = conditioner.spec.name
    video_files = next((entry for entry in files if conditioner.input_option not in entry.get(name, {})), files[0])
    return bind_files(conditioner, video_files)


def find_option_files(conditioners: Sequence[Conditioner], videos: Sequence[Path]) -> list[dict[str, dict[str, Path]]]:
    """The files of each video that the input options of the conditioners name.

    The path of an option belongs to a single video. For several videos, it must contain a folder or file with the name
    of each video.

    Raises: MissingFileError (the path does not exist), InputFileMismatchError (a video has no files in it).
    """
    files_by_video: list[dict[str, dict[str, Path]]] = [{} for _ in videos]
    for conditioner in conditioners:
        name = conditioner.spec.name
        for option in conditioner.options.names_with_role("input"):
            option_value: Path | None = getattr(conditioner.options, option)
            if option_value is None:
                continue
            qualified_option = f"{name}.{option}"
            input_path = expand_home(option_value)  # the shell does not expand ~ after an equals sign
            if not input_path.exists():
                raise MissingFileError(
                    f"{input_path} does not exist ({qualified_option}).",
                    f"--conditioner-option {qualified_option}=PATH",
                )
            for video_files, video in zip(files_by_video, videos, strict=True):
                path = (
                    _resolve_for_video(input_path, video, qualified_option)
                    if len(videos) > 1
                    else _resolve_for_single_video(input_path, video)
                )
                video_files.setdefault(name, {})[option] = path
    if any(files_by_video):
        _check_unique_names(videos)
    return files_by_video


def video_stem(video: Path) -> str:
    """The name that the files of a video have: its file name without suffix, or its folder name."""
    return video.name if video.is_dir() else video.stem


def _resolve_for_single_video(input_path: Path, video: Path) -> Path:
    """The subfolder with the video's name, if `input_path` contains files of several videos; else `input_path`."""
    subfolder = input_path / video_stem(video)
    return subfolder if subfolder.is_dir() else input_path


def _resolve_for_video(input_path: Path, video: Path, qualified_option: str) -> Path:
    name = video_stem(video)
    entries = sorted(input_path.iterdir()) if input_path.is_dir() else []
    matches = [entry for entry in entries if (entry.name == name if entry.is_dir() else entry.stem == name)]
    if len(matches) > 1:
        raise InputFileMismatchError(
            f"{input_path} ({qualified_option}) contains {' and '.join(entry.name for entry in matches)}, several "
            f"entries with the name of {video.name}.",
            "Keep one of them.",
        )
    if matches:
        return matches[0]
    raise InputFileMismatchError(
        f"{input_path} ({qualified_option}) contains no folder or file named {name}, for {video.name}.",
        f"Put the files of {video.name} into {input_path / name}, or prepare one video at a time.",
    )


def _check_unique_names(videos: Sequence[Path]) -> None:
    names = [video_stem(video) for video in videos]
    for video, name in zip(videos, names, strict=True):
        if names.count(name) > 1:
            raise InputFileMismatchError(
                f"Two videos have the name {name}, so their annotation files cannot be distinguished.",
                f"Rename {video}.",
            )


def sha256_of_path(path: Path) -> str:
    """sha256 of a file, or of the files of a folder in order. Raises PermissionDeniedError, MissingFileError."""
    file_paths = (
        sorted((entry for entry in path.rglob("*") if entry.is_file()), key=natural_sort_key)
        if path.is_dir()
        else [path]
    )
    try:
        return sha256_of_files(*file_paths)
    except OSError as error:
        raise read_error(Path(error.filename or path), error) from error


def sha256_by_option(files: SidecarFiles) -> dict[str, dict[str, str]]:
    """sha256 of each file or folder, as in `sha256_of_path`."""
    return {name: {option: sha256_of_path(path) for option, path in paths.items()} for name, paths in files.items()}
