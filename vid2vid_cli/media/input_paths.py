"""Patterns and folders of videos in place of single videos on a command line."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from vid2vid_cli.core.errors import MissingFileError, NotAVideoError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.media.files import describe_ignored, natural_sort_key
from vid2vid_cli.media.os_errors import read_error
from vid2vid_cli.media.probe import IMAGE_SUFFIXES

VIDEO_SUFFIXES = {
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv"),
    *(".ts", ".webm", ".wmv"),
}
"""Files of a folder that are read as videos. A video that is named by itself may have any suffix."""
MAX_LISTED = 3


def expand_patterns(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Paths, each pattern such as x/*.mp4 (in quotes on a command line) replaced by the files that match it.

    Raises MissingFileError if there are none. An existing file is never a pattern.
    """
    expanded: list[Path] = []
    for path in paths:
        if not glob.has_magic(str(path)) or path.exists():
            expanded.append(path)
            continue
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)), key=natural_sort_key)  # noqa: PTH207 - absolute
        if not matches:
            raise MissingFileError(f"No file matches {path}.", "Check the pattern.")
        expanded += matches
    return tuple(expanded)


def find_folder_videos(folder: Path, frame_suffixes: Collection[str] = IMAGE_SUFFIXES) -> list[Path]:
    """The videos of a folder, in natural order; [] for a file, and for a folder without videos.

    `frame_suffixes`: files of these types make the folder itself a video, with a file per frame. Raises NotAVideoError
    if it contains both.
    """
    if not folder.is_dir():
        return []
    try:
        files = [entry for entry in folder.iterdir() if entry.name[0] != "." and entry.is_file()]
    except OSError as error:
        raise read_error(folder, error) from error
    videos = sorted((file for file in files if file.suffix.lower() in VIDEO_SUFFIXES), key=natural_sort_key)
    frames = sorted((file for file in files if file.suffix.lower() in frame_suffixes), key=natural_sort_key)
    if videos and frames:
        patterns = [folder / f"*{suffix}" for suffix in sorted({video.suffix for video in videos})]
        raise NotAVideoError(
            f"{folder} contains videos ({list_names(videos)}) and files that may be the frames of one video "
            f"({list_names(frames)}).",
            f"For the videos, use {shell_command(*patterns)}; for the frames, move the videos to another folder.",
        )
    return videos


def describe_folder_videos(folder: Path, videos: Sequence[Path]) -> str:
    """A sentence on a folder that stands for its videos, and one on what is not read in it."""
    count = "1 video" if len(videos) == 1 else f"{len(videos)} videos"
    return f"{folder} is read as {count}: {list_names(videos)}. {describe_ignored(folder, videos)}".rstrip()


def drop_duplicates(paths: Iterable[Path]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The paths without those that lead to a file again, and a sentence on each of these."""
    first_paths: dict[Path, Path] = {}
    remarks: dict[Path, str] = {}
    for path in paths:
        real_path = Path(os.path.realpath(path))  # Path.resolve raises for a link to itself
        first_path = first_paths.setdefault(real_path, path)
        if first_path is not path:
            name = str(path) if path == first_path else f"{path} (the same file as {first_path})"
            remarks[real_path] = f"{name} is given more than once; it is used once."
    return tuple(first_paths.values()), tuple(remarks.values())


def list_names(paths: Sequence[Path]) -> str:
    """The names of the first paths, and how many more there are."""
    listed = ", ".join(path.name for path in paths[:MAX_LISTED])
    return listed if len(paths) <= MAX_LISTED else f"{listed} and {len(paths) - MAX_LISTED} more"
