"""Checks of the paths that a user names, names derived from them, and commands to print. Standard library only."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from vid2vid_cli.core.errors import ConfigError, MissingFileError, PermissionDeniedError

MAX_NAME_BYTES = 255
"""Longest file name of the usual file systems."""
MAX_PATH_BYTES = 4095
RESERVED_BYTES = 40
"""Part of MAX_NAME_BYTES for what is added to an output name: `_compare`, `-2`, `.12345.partial`, a suffix."""
MAX_DERIVED_BYTES = 120
"""Longest part of a default output name that comes from one input name."""
MAX_SHOWN_CHARACTERS = 60
VIDEO_FIELDS = ("videos", "video", "source")
"""Fields of requests for which a camera might be given."""
_URL_PATTERN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")  # a letter alone is a drive of Windows
_CAMERA_PATTERN = re.compile(r"\d{1,2}|/dev/video\d+")


def printable(path: Path | str) -> str:
    """A path for messages: long ones shortened, bytes that are not UTF-8 as backslash escapes."""
    text = str(path).encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= MAX_PATH_BYTES // 16 else f"{text[:MAX_SHOWN_CHARACTERS]}..."


def url_scheme(text: str) -> str:
    """The scheme of a URL in lower case; "" for a path."""
    match = _URL_PATTERN.match(text)
    return "" if match is None else match[1].lower()


def check_no_url(path: Path | str) -> None:
    """Raise MissingFileError for a URL, as text or as Path has shortened it; existing paths are accepted."""
    text = str(path)
    match = _URL_PATTERN.match(text)
    if match is None or os.path.exists(path):  # noqa: PTH110 - Path.exists raises for long names
        return
    rest = text[match.end() :]
    if match[1].lower() == "file":
        raise MissingFileError(f"{printable(text)} is a URL, and URLs are not read.", f"Give the path: /{rest}")
    raise MissingFileError(
        f"{printable(f'{match[1]}://{rest}')} is a URL, and URLs are not read.",
        "Download it first, then give the path of the file.",
    )


def check_no_camera(path: Path) -> None:
    """Raise MissingFileError for the number of a camera that is not an existing path, and for /dev/videoN."""
    text = str(path)
    is_camera = _CAMERA_PATTERN.fullmatch(text) is not None
    if is_camera and (text.startswith("/dev") or not path.exists()):
        raise MissingFileError(
            f"{text} is a camera, not a video file.",
            f"Use `vid2vid live --source {text} --target CKPT`, or record a video and give its path.",
        )


def check_exists(path: Path) -> None:
    """Raise MissingFileError for a path that does not exist."""
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for long names
        raise MissingFileError(f"{printable(path)} does not exist.", "Check the path.")


def check_input_path(path: Path) -> None:
    """Raise ConfigError for a name that is not UTF-8, MissingFileError for one that is too long, and for a URL."""
    _check_utf8(path)
    check_no_url(path)
    if too_long := _describe_length(path, MAX_NAME_BYTES):
        raise MissingFileError(f"{printable(path)} does not exist: {too_long}.", "Check the path.")


def check_output_path(path: Path) -> None:
    """Raise ConfigError for an output path that has no name of its own, is not UTF-8 or is too long."""
    if path.name in ("", ".."):
        raise ConfigError(f"The output path {str(path)!r} does not name a new file or folder.", "Use --out NAME.")
    _check_utf8(path)
    check_no_url(path)
    if too_long := _describe_length(path, MAX_NAME_BYTES - RESERVED_BYTES):
        raise ConfigError(f"The output {printable(path)} cannot be written: {too_long}.", "Choose a shorter --out.")


def check_output_parent(path: Path) -> None:
    """Raise unless the folder of `path` exists or can be created and is writable.

    Raises ConfigError (a part of the path is a file), PermissionDeniedError.
    """
    ancestor = next((parent for parent in path.absolute().parents if parent.exists()), None)
    if ancestor is None:
        return
    if not ancestor.is_dir():
        raise ConfigError(f"{path} cannot be written: {ancestor} is a file.", "Choose another --out.")
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise PermissionDeniedError(
            f"{path} cannot be written: permission denied for {ancestor}.", "Choose an --out that is writable."
        )


class PathCheckedRequest:
    """Base of the request dataclasses: checks the names of all paths; the field `out` is an output.

    Raises ConfigError and MissingFileError, as `check_output_path`, `check_input_path` and `check_no_camera`.
    """

    def __post_init__(self) -> None:
        for name, path in _iterate_paths(self):
            if name == "out":
                check_output_path(path)
            else:
                check_input_path(path)
                if name in VIDEO_FIELDS:
                    check_no_camera(path)


def expand_home(path: Path) -> Path:
    """Replace a leading `~` by the home folder, except for an existing path or user name that does not exist."""
    try:
        return path if os.path.exists(path) else path.expanduser()  # noqa: PTH110 - Path.exists raises for long names
    except RuntimeError:  # ~name, and no user has that name
        return path


def shorten_name(name: str, max_bytes: int = MAX_DERIVED_BYTES) -> str:
    """The beginning of a name that has at most `max_bytes` bytes, without a cut character."""
    return name.encode("utf-8", "backslashreplace")[:max_bytes].decode("utf-8", "ignore").rstrip(" .") or "_"


def shell_command(*words: str | Path) -> str:
    """A command line for a shell. A path that begins with "-" becomes "./-...", so that it is no option."""
    texts = [f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in words]
    return shlex.join(texts)


def find_run_checkpoints(run_folder: Path) -> list[Path]:
    """NAME.ckpt of the folder NAME of a run; without it, all `.ckpt` files: the folder can have been renamed."""
    own = run_folder / f"{run_folder.resolve().name}.ckpt"
    return [own] if own.is_file() else sorted(run_folder.glob("*.ckpt"))


def _iterate_paths(request: Any) -> Iterator[tuple[str, Path]]:
    for field in fields(request):
        value = getattr(request, field.name)
        if is_dataclass(value):
            yield from _iterate_paths(value)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Path):
                yield field.name, item


def _check_utf8(path: Path) -> None:
    if "\0" in str(path):
        raise ConfigError(f"The name {str(path)[:MAX_SHOWN_CHARACTERS]!r} contains a zero byte.", "Check the path.")
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigError(f"The name {printable(path)} is not valid UTF-8.", "Rename the file or folder.") from error


def _describe_length(path: Path, max_name_bytes: int) -> str:
    """What is too long in a path, or ""."""
    name_bytes = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if name_bytes > MAX_NAME_BYTES or len(os.fsencode(path.name)) > max_name_bytes:
        return f"its name has {name_bytes} bytes, and at most {max_name_bytes} are possible"
    path_bytes = len(os.fsencode(path))
    if path_bytes > MAX_PATH_BYTES:
        return f"the path has {path_bytes} bytes, and at most {MAX_PATH_BYTES} are possible"
    return ""
