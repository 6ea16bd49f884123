"""Files made beside a video: each video gets its own, and each conditioner those of the video at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import FilesMismatchError, MissingFileError
from vid2vid_cli.media.files import digest_of
from vid2vid_cli.media.os_errors import reading_failed
from vid2vid_cli.media.probe import natural

Files = Mapping[str, Mapping[str, Path]]
"""Conditioner -> its `files_option` -> the folder or file of one video."""


def chosen_files(conditioners: Sequence[Conditioner], came: Files, typed: Files) -> Files:
    """What these conditioners know how to read: of the files that came with a video, and of those named, which win."""
    chosen: dict[str, dict[str, Path]] = {}
    for conditioner in conditioners:
        name, known = conditioner.spec.name, conditioner.options.names("files")
        both = {**came.get(name, {}), **typed.get(name, {})}
        chosen[name] = {option: path for option, path in both.items() if option in known}
    return chosen


def bound(conditioner: Conditioner, files: Files) -> Conditioner:
    """The conditioner with the files of one video, and with no others."""
    own = files.get(conditioner.spec.name, {})
    options = conditioner.options
    wanted = {name: own.get(name) for name in options.names("files")}
    if all(getattr(options, name) == path for name, path in wanted.items()):
        return conditioner
    return type(conditioner)(options.model_copy(update=wanted))


def neediest(conditioner: Conditioner, files: Sequence[Files]) -> Conditioner:
    """The conditioner as it is for a video on which it must find things itself, where there is one."""
    name = conditioner.spec.name
    own = next((own for own in files if conditioner.reads not in own.get(name, {})), files[0])
    return bound(conditioner, own)


def typed_files(conditioners: Sequence[Conditioner], videos: Sequence[Path]) -> list[dict[str, dict[str, Path]]]:
    """For each video its own files among those that the options of the conditioners name.

    What is named belongs to a single video; of several videos each has a folder or a file called like it in there.

    Raises: MissingFileError (what is named does not exist), FilesMismatchError (a video has none of its own).
    """
    found: list[dict[str, dict[str, Path]]] = [{} for _ in videos]
    for conditioner in conditioners:
        name = conditioner.spec.name
        for option in conditioner.options.names("files"):
            given: Path | None = getattr(conditioner.options, option)
            if given is None:
                continue
            typed = f"{name}.{option}"
            place = given.expanduser()  # no shell does it behind an equals sign
            if not place.exists():
                raise MissingFileError(f"{place} does not exist ({typed}).", f"--option {typed}=PATH")
            for own, video in zip(found, videos, strict=True):
                path = _of_several(place, video, typed) if len(videos) > 1 else _of_one(place, video)
                own.setdefault(name, {})[option] = path
    if any(found):
        _check_names(videos)
    return found


def title(video: Path) -> str:
    """What the files of a video are called: its name without the ending."""
    return video.name if video.is_dir() else video.stem


def _of_one(place: Path, video: Path) -> Path:
    """The folder of that name inside, as where the files of many videos are kept together; else `place` itself."""
    own = place / title(video)
    return own if own.is_dir() else place


def _of_several(place: Path, video: Path, typed: str) -> Path:
    name = title(video)
    inside = sorted(place.iterdir()) if place.is_dir() else []
    for own in inside:
        if own.name == name if own.is_dir() else own.stem == name:
            return own
    raise FilesMismatchError(
        f"{place} ({typed}) holds nothing called {name}, and of several videos each needs files of its own.",
        f"Put those of {video.name} into {place / name}, or prepare one video at a time.",
    )


def _check_names(videos: Sequence[Path]) -> None:
    names = [title(video) for video in videos]
    for video, name in zip(videos, names, strict=True):
        if names.count(name) > 1:
            raise FilesMismatchError(
                f"Two of the videos are called {name}, so it is not clear whose files are whose.",
                f"Rename one of them, such as {video}.",
            )


def hash_of(path: Path) -> str:
    """sha256 of a file, or of all files of a folder in order. Raises PermissionDeniedError, MissingFileError."""
    inside = sorted((p for p in path.rglob("*") if p.is_file()), key=natural) if path.is_dir() else [path]
    try:
        return digest_of(*inside)
    except OSError as error:
        raise reading_failed(Path(error.filename or path), error) from error


def hashes_of(files: Files) -> dict[str, dict[str, str]]:
    """sha256 of each, as in `hash_of`."""
    return {name: {option: hash_of(path) for option, path in own.items()} for name, own in files.items()}
